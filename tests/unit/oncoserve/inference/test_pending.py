import asyncio
import contextlib

import pytest

from oncoserve.inference import pending
from oncoserve.inference.pending import read_pending
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import Service
from testbed.servers import free_port

TEXT = b"""# HELP nv_inference_count Number of inferences
nv_inference_count{model="tiny",version="1"} 4
# HELP nv_inference_pending_request_count Instantaneous number of pending requests awaiting execution per-model.
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="tiny",version="1"} 3
"""
PENDING = b"".join(TEXT.splitlines(keepends=True)[2:])


@contextlib.asynccontextmanager
async def answering(answer):
    """The address of something that says `answer` to everybody, or nothing where that is None."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        else:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + TEXT, PENDING),
        (b"HTTP/1.1 200 OK\r\n\r\n" + TEXT[:-3], b"".join(PENDING.splitlines(keepends=True)[:2])),  # cut off
        (b"HTTP/1.1 200 OK\r\n\r\n", b""),
        (b"HTTP/1.1 404 Not Found\r\n\r\n" + TEXT, b""),
        (b"", b""),
    ],
)
async def test_its_lines_alone_are_passed_on(answer, expected):
    async with answering(answer) as address:
        assert await read_pending(address) == expected


async def test_a_triton_that_is_silent_or_away_is_left_out(monkeypatch):
    monkeypatch.setattr(pending, "ANSWER_S", 0.1)
    async with answering(None) as address:
        assert await read_pending(address) == b""
    assert await read_pending(f"127.0.0.1:{free_port()}") == b""
    assert await read_pending("") == b""


async def test_the_metrics_of_the_frontend_have_it(tmp_path):
    backend = FakeBackend(classifier())
    async with (
        answering(b"HTTP/1.1 200 OK\r\n\r\n" + TEXT) as address,
        Service(tmp_path, backend, inference_metrics_url=address) as service,
    ):
        text = (await service.http.get("/metrics")).text
    assert text.endswith('\nnv_inference_pending_request_count{model="tiny",version="1"} 3\n')
    assert "oncoserve_ready" in text
    assert "nv_inference_count{" not in text
