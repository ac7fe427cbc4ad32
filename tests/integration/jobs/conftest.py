from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import pytest

from testbed.servers import FrontendServer, TritonServer
from testbed.timed_model import Gate, write_sleeper
from testbed.tiny_models import write_classifier


@pytest.fixture(scope="package")
def door(tmp_path_factory):
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="package")
def repository(door, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder, "tiny", size=64)
    write_sleeper(folder, "gated", 0.01, gate=door)
    return folder


@pytest.fixture
def gate(door):
    """The gate of the model `gated`, closed."""
    door.close()
    yield door
    door.open()


@pytest.fixture(scope="package")
def server(embedded_triton, repository, tmp_path_factory):
    """A Triton for the tests that leave it as it was."""
    with TritonServer(repository, tmp_path_factory.mktemp("triton")) as running:
        yield running


@pytest.fixture
def start(repository, tmp_path):
    """Starts a frontend with a worker and results of its own; the test's end stops it.

    Call it as `start(grpc_url, setting=...)`, in threads if you like.
    """
    running = []

    def enter(grpc_url, **settings):
        folder = Path(mkdtemp(prefix="frontend", dir=tmp_path))
        values = {
            "model_repository": repository,
            "results_dir": folder / "results",
            "job_workers": 1,
            "job_lease_s": 2,
            "poll_interval_s": 0.2,
        }
        service = FrontendServer(grpc_url, folder, **values | settings)
        service.results = folder / "results"
        running.append(service)
        return service.__enter__()

    yield enter
    with ThreadPoolExecutor() as pool:  # each waits for its worker
        list(pool.map(lambda each: each.process.poll() is None and each.stop(), running))
    for each in running:
        assert "Traceback" not in each.output()
