import pytest

from testbed.servers import FrontendServer, TritonServer
from testbed.tiny_models import write_classifier


@pytest.fixture(scope="package")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder, "tiny", size=64)
    return folder


@pytest.fixture(scope="package")
def server(embedded_triton, repository, tmp_path_factory):
    """A Triton for the tests that leave it as it was."""
    with TritonServer(repository, tmp_path_factory.mktemp("triton")) as running:
        yield running


@pytest.fixture
def start(repository, tmp_path):
    """Starts a frontend with a worker; the test's end stops it. Call it as `start(grpc_url, setting=...)`."""
    running = []

    def enter(grpc_url, **settings):
        folder = tmp_path / f"frontend{len(running)}"
        folder.mkdir()
        values = {
            "model_repository": repository,
            "results_dir": tmp_path / "results",
            "job_workers": 1,
            "job_lease_s": 2,
        }
        running.append(FrontendServer(grpc_url, folder, **values | settings))
        return running[-1].__enter__()

    yield enter
    for each in running:
        if each.process.poll() is None:
            each.stop()
        assert "Traceback" not in each.output()
