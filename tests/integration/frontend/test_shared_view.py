"""One picture looked at through several processes of a frontend, as by all who open the same result."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from oncoserve.runtime.sharing import FOLDER_VARIABLE
from testbed.encoded_pictures import encoded, noise
from testbed.servers import FrontendServer, TritonServer
from testbed.tiny_models import write_classifier

PICTURE = (1500, 1100)
CALLERS = 24


@pytest.fixture
def service(embedded_triton, tmp_path):
    write_classifier(tmp_path / "models", "tiny")
    with TritonServer(tmp_path / "models", tmp_path) as triton:
        settings = {"model_repository": tmp_path / "models", "results_dir": tmp_path / "results", "workers": 2}
        with FrontendServer(triton.grpc_url, tmp_path, **settings) as running:
            yield running


def answer(address):
    """Asked by a connection of its own, so that the kernel spreads them over the processes; again if one is killed."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=3), timeout=60) as http:
        try:
            return http.get(address).content
        except httpx.TransportError:
            return http.get(address).content


def test_it_is_decoded_once_and_outlives_the_process_that_did(service):
    made = httpx.post(f"{service.url}/v1/models/tiny/predict", content=encoded(noise(PICTURE)), timeout=60).json()
    address = f"{service.url}{made['links']['self']}/tiles"
    tile = f"{address}/image/{httpx.get(address).json()['levels'] - 1}/0_0"
    serving = service.processes("frontend.serving")
    (folder,) = {process.environ()[FOLDER_VARIABLE] for process in serving}
    seen = []
    for victim in (None, *serving):
        if victim is not None:
            victim.send_signal(signal.SIGKILL)
        with ThreadPoolExecutor(8) as pool:
            contents = set(pool.map(answer, [tile] * CALLERS))
        assert len(contents) == 1, [each[:200] for each in contents]
        (content,) = contents
        (pyramid,) = Path(folder).rglob("*.pyramid")
        seen.append((content, pyramid.stat().st_ino))
    assert len(serving) == 2
    assert len(set(seen)) == 1
    assert seen[0][0].startswith(b"\x89PNG")
    assert httpx.delete(f"{service.url}{made['links']['self']}").status_code == 204
    assert answer(tile).startswith(b"{")
