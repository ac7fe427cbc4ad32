import gc

import pytest

from testbed.fakes import FakeBackend, classifier
from testbed.in_process import Service


@pytest.fixture
async def service(tmp_path):
    async with Service(tmp_path, FakeBackend(classifier(saliency=(4, 4))), max_upload_bytes=2**20) as running:
        yield running


@pytest.fixture
def without_collector():
    """What only a search for circles would free is not freed: in the service that search may be minutes away."""
    gc.disable()
    yield
    gc.enable()
