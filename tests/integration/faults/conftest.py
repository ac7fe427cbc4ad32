import signal
from pathlib import Path
from tempfile import mkdtemp

import pytest

from testbed.servers import FrontendServer, TritonServer
from testbed.timed_model import Gate, write_sleeper
from testbed.tiny_models import write_classifier, write_localiser


@pytest.fixture(scope="package")
def door(tmp_path_factory):
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="package")
def repository(door, tmp_path_factory):
    """`tiny` and `seen`, which has overlays, answer at once; `slow` takes 0.1 s, `gated` that from its gate on."""
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder, "tiny")
    write_localiser(folder, "seen")
    write_sleeper(folder, "slow", 0.1)
    write_sleeper(folder, "gated", 0.1, gate=door)
    return folder


@pytest.fixture(scope="package")
def server(embedded_triton, repository, tmp_path_factory):
    """A Triton for the tests that leave it as it was."""
    with TritonServer(repository, tmp_path_factory.mktemp("triton")) as running:
        yield running


@pytest.fixture
def only_tiny(tmp_path):
    """The cards of what a `Wire` looks like."""
    write_classifier(tmp_path / "only_tiny", "tiny")
    return tmp_path / "only_tiny"


@pytest.fixture
def gate(door):
    """The gate of the model `gated`, closed."""
    door.close()
    yield door
    door.open()


@pytest.fixture
def start(repository, tmp_path):
    """Starts a frontend; the test's end stops it. Call it as `start(grpc_url, setting=...)`, in threads if you like."""
    running = []

    def enter(grpc_url, ready_url="/readyz", **settings):
        values = {"model_repository": repository, "results_dir": tmp_path / "results"} | settings
        service = FrontendServer(grpc_url, Path(mkdtemp(prefix="frontend", dir=tmp_path)), **values)
        service.ready_url = service.url + ready_url
        running.append(service)
        return service.__enter__()

    yield enter
    for each in running:
        each.stop(signal.SIGINT)  # which does not wait for a proxy to notice
        assert "Traceback" not in each.output()
