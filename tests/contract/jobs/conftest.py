"""The adapters that the contract is held against. Each takes a visibility timeout of VISIBILITY_S."""

from uuid import uuid4

import pytest

from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters

VISIBILITY_S = 2.0  # longer than anything takes between a lease and its end, on a busy machine too


MODELS = {"Tiny": "tiny", "Other": "other"}


@pytest.fixture(params=["embedded", "aws"])
async def adapters(request, tmp_path):
    settings = {"results_dir": tmp_path, "job_lease_s": VISIBILITY_S, "job_models": ",".join(MODELS.values())}
    if request.param == "aws":
        from testbed.aws_emulator import Stack  # noqa: PLC0415 - makes an environment of its own

        emulator = request.getfixturevalue("emulator")
        settings |= Stack(emulator, f"contract-{uuid4().hex[:8]}", MODELS, storage_only=True).settings
    made = open_adapters(Settings(**settings))
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
