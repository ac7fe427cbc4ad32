import httpx
import pytest

from tests.servers import PROJECT, FrontendServer

SAMPLES = PROJECT / "build" / "samples"


@pytest.fixture(scope="session")
def frontend(triton, tmp_path_factory):
    """The real frontend on the real Triton with the project's models, one for the whole run."""
    folder = tmp_path_factory.mktemp("frontend")
    with FrontendServer(triton.grpc_url, folder, results_dir=folder / "results") as server:
        yield server


@pytest.fixture
def http(frontend):
    with httpx.Client(base_url=frontend.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def samples():
    """The labelled real pictures: [(label, path)]."""
    return [(path.parent.name, path) for path in sorted((SAMPLES / "brain_mri").glob("*/*.jpg"))]
