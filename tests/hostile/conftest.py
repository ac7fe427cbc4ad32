"""The real frontend on the real Triton with a tiny model: what it is sent here is hostile, its defaults are real."""

import pytest

from testbed.encoded_pictures import encoded, noise
from testbed.servers import FrontendServer, TritonServer
from testbed.tiny_models import write_classifier
from tests.hostile.wire import PREDICT, talk

PICTURE = encoded(noise((16, 16)))


@pytest.fixture(scope="package")
def tiny(embedded_triton, tmp_path_factory):
    """Gives a function that starts a frontend with settings of its own."""
    folder = tmp_path_factory.mktemp("hostile")
    write_classifier(folder / "repository")
    with TritonServer(folder / "repository", folder) as triton:

        def frontend(**settings):
            own = tmp_path_factory.mktemp("frontend")
            values = {"model_repository": folder / "repository", "results_dir": own / "results"}
            server = FrontendServer(triton.grpc_url, own, **values | settings)
            server.results = own / "results"
            return server

        yield frontend


@pytest.fixture(scope="package")
def service(tiny):
    """One frontend for all: with little patience, so that tests of it are quick."""
    with tiny(receive_timeout_s=1, max_upload_bytes=2**20, max_connections=40) as server:
        yield server


@pytest.fixture(scope="package")
def patient(tiny):
    """One frontend for all, with the default limits."""
    with tiny() as server:
        yield server


@pytest.fixture
def still_works(service):
    """After the test the service answers a picture as ever."""
    yield
    assert talk(service.port, PREDICT + b"Content-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE).status == 200
