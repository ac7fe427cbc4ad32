import signal

import pytest

from testbed.servers import FrontendServer, TritonServer
from testbed.timed_model import write_sleeper
from testbed.tiny_models import write_classifier


@pytest.fixture(scope="package")
def repository(tmp_path_factory):
    """`tiny` answers at once, in batches; a picture at a time, `slow` takes 0.1 s, `steady` 0.5 s and `slower` 1 s."""
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder, "tiny")
    write_sleeper(folder, "slow", 0.1)
    write_sleeper(folder, "steady", 0.5)
    write_sleeper(folder, "slower", 1.0)
    return folder


@pytest.fixture(scope="package")
def server(embedded_triton, repository, tmp_path_factory):
    """A Triton for the tests that leave it as it was."""
    with TritonServer(repository, tmp_path_factory.mktemp("triton")) as running:
        yield running


@pytest.fixture
def start(repository, tmp_path):
    """Starts a frontend; the test's end stops it. Call it as `start(grpc_url, setting=...)`."""
    running = []

    def enter(grpc_url, ready_url="/readyz", **settings):
        values = {"model_repository": repository, "results_dir": tmp_path / "results"} | settings
        folder = tmp_path / f"frontend{len(running)}"
        folder.mkdir()
        running.append(FrontendServer(grpc_url, folder, **values))
        running[-1].ready_url = running[-1].url + ready_url
        return running[-1].__enter__()

    yield enter
    for each in running:
        each.stop(signal.SIGINT)  # which does not wait for a proxy to notice
        assert "Traceback" not in each.output()
