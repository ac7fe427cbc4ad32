"""Two frontends, a worker each, and what they share."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import pytest

from testbed.servers import FrontendServer, TritonServer
from testbed.storage.postgres import Postgres
from testbed.storage.seaweed import Seaweed
from testbed.storage.shared_storage import shared_settings
from testbed.tiny_models import write_classifier


@pytest.fixture(scope="package")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder, "tiny", size=64)
    return folder


@pytest.fixture(scope="package")
def server(embedded_triton, repository, tmp_path_factory):
    with TritonServer(repository, tmp_path_factory.mktemp("triton")) as running:
        yield running


@pytest.fixture
def own_storage(unavailable, tmp_path):
    """A PostgreSQL and a SeaweedFS that a test may kill."""
    for kind, what in (("postgres", Postgres), ("seaweed", Seaweed)):
        if missing := what.missing():
            unavailable(kind, f"not installed: {missing}")
    with Postgres(tmp_path) as postgres, Seaweed(tmp_path) as seaweed:
        yield postgres, seaweed


@pytest.fixture
def shared(postgres, seaweed):
    """Settings of a database and a prefix that nobody else uses."""
    return shared_settings(postgres, seaweed)


@pytest.fixture
def start(server, repository, tmp_path):
    """Starts a frontend with a folder of its own, as `start(setting=...)`; the test's end stops it."""
    running = []

    def enter(**settings):
        folder = Path(mkdtemp(prefix="frontend", dir=tmp_path))
        values = {
            "model_repository": repository,
            "results_dir": folder / "results",
            "job_workers": 1,
            "job_lease_s": 2,
            "poll_interval_s": 0.2,
            "storage_timeout_s": 5,
        }
        service = FrontendServer(server.grpc_url, folder, **values | settings)
        service.results = folder / "results"
        running.append(service)
        return service.__enter__()

    yield enter
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: each.process.poll() is None and each.stop(), running))
    for each in running:
        output = each.output()
        assert "Traceback" not in output, [line for line in output.splitlines() if "Traceback" in line]
