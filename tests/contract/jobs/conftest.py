"""The adapters that the contract is held against. Each takes a visibility timeout of VISIBILITY_S."""

import pytest

from frontend.jobs.adapters import open_adapters
from frontend.settings import Settings

VISIBILITY_S = 1.0


@pytest.fixture(params=["embedded"])
async def adapters(request, tmp_path):
    made = open_adapters(Settings(results_dir=tmp_path, job_lease_s=VISIBILITY_S))
    yield made
    await made.close()


@pytest.fixture
def objects(adapters):
    return adapters.objects


@pytest.fixture
def queue(adapters):
    return adapters.queue


@pytest.fixture
def store(adapters):
    return adapters.store
