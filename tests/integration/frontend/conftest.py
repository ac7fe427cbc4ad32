import httpx
import pytest

from testbed.servers import PROJECT

SAMPLES = PROJECT / "build" / "samples"


@pytest.fixture
def http(frontend):
    with httpx.Client(base_url=frontend.url, timeout=300) as client:
        yield client


@pytest.fixture(scope="session")
def samples():
    """The labelled real pictures: [(label, path)]."""
    return [(path.parent.name, path) for path in sorted((SAMPLES / "brain_mri").glob("*/*.jpg"))]
