"""The adapters that the contract is held against."""

from uuid import uuid4

import pytest

from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters
from testbed.storage.shared_storage import shared_settings

LONG_S = 60  # a lease: longer than anything takes between its begin and its end, on a busy machine too
BRIEF_S = 1  # a lease whose end a test waits for; SQS counts whole seconds
MODELS = {"Tiny": "tiny", "Other": "other"}


@pytest.fixture(params=["embedded", "postgres", "aws"])
async def opened(request, tmp_path):
    """Opens adapters on one storage, as `opened(seconds of a lease)`."""
    settings = {"results_dir": tmp_path, "job_models": ",".join(MODELS.values())}
    if request.param == "aws":
        from testbed.aws_emulator import Stack  # noqa: PLC0415 - makes an environment of its own

        emulator = request.getfixturevalue("emulator")
        settings |= Stack(emulator, f"contract-{uuid4().hex[:8]}", MODELS, storage_only=True).settings
    if request.param == "postgres":
        settings |= shared_settings(request.getfixturevalue("postgres"), request.getfixturevalue("seaweed"))
    made = []

    def adapters(lease_s):
        made.append(open_adapters(Settings(**settings, job_lease_s=lease_s)))
        return made[-1]

    yield adapters
    for each in made:
        await each.close()


@pytest.fixture
def adapters(opened):
    return opened(LONG_S)


@pytest.fixture
def objects(adapters):
    return adapters.objects


@pytest.fixture
def queue(adapters):
    return adapters.queue


@pytest.fixture
def brief_queue(opened):
    """A queue whose leases run out while one waits."""
    return opened(BRIEF_S).queue


@pytest.fixture
def store(adapters):
    return adapters.store
