"""The clients of the comparison: what they send, what they count as an answer, what as an error, and when."""

import asyncio
import contextlib
import io
import re

import numpy as np
import pytest
from PIL import Image

from loadtest.batching.client_processes import ClientProcesses
from loadtest.compare.http_load import OverHttp
from loadtest.compare.photographs import Uploads, base_pictures
from loadtest.compare.window import Window

ANSWER = b'{"probabilities": {}}'


def pixels(file):
    return np.asarray(Image.open(io.BytesIO(file)))


def test_no_file_comes_twice_and_the_pixels_stay():
    pictures = base_pictures(2)
    uploads = [Uploads(pictures), Uploads(pictures)]
    files = [b"".join(series.take()) for series in uploads for _ in range(6)]
    assert len(set(files)) == 12
    for number, file in enumerate(files):
        assert (pixels(file) == pixels(pictures[number % 2])).all()
    assert (pixels(pictures[0]) != pixels(pictures[1])).any()
    assert base_pictures(2) == pictures


class Wire:
    """A server of raw answers; it reads whole requests and keeps their pictures."""

    def __init__(self, reply, *, end=False):
        self._reply, self._end = reply, end
        self.files = []

    async def __aenter__(self):
        self._handlers = []
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await asyncio.gather(*self._handlers)

    def asking(self, count=1):
        return OverHttp(self.port, "/predict", base_pictures(count))

    async def _serve(self, reader, writer):
        self._handlers.append(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
                self.files.append(re.search(rb'name="image".*?\r\n\r\n(.*)\r\n--', body, re.DOTALL)[1])
                # In two pieces, as a network may deliver it.
                writer.write(self._reply[:20])
                await writer.drain()
                await asyncio.sleep(0.001)
                writer.write(self._reply[20:])
                if self._end:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has had enough
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def reply(status, body=ANSWER, more=b""):
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), more, body)


async def test_the_client_sends_whole_pictures_and_counts_answers():
    picture = base_pictures(1)
    async with Wire(reply(b"200 OK")) as wire:
        window = Window(0.3, ramp_s=0)
        await wire.asking().closed_loop(3, window)
    assert 3 <= len(window.latencies_s) <= len(wire.files)
    assert window.throughput == len(window.latencies_s) / 0.3
    assert not window.errors
    assert len(set(wire.files)) == len(wire.files)
    assert (pixels(wire.files[-1]) == pixels(picture[0])).all()


async def test_several_processes_share_the_asking():
    async with Wire(reply(b"200 OK")) as wire:
        with ClientProcesses(wire.asking(), 2) as clients:
            assert np.isnan(clients.busy)
            window = Window(0.3, ramp_s=0.2)
            await clients.closed_loop(3, window)
    assert len(window.latencies_s) >= 3
    assert not window.errors
    assert 0 < clients.busy <= 1
    assert len(set(wire.files)) == len(wire.files)


@pytest.mark.parametrize(
    ("answer", "end", "error"),
    [
        (reply(b"503 Service Unavailable"), False, "503"),
        (reply(b"500 Internal Server Error", b""), True, "500"),
        (reply(b"200 OK")[:50], True, "connection lost"),
        (b"220 ready for mail, and not for requests\r\n", False, "no HTTP: Expected HTTP/, RTSP/ or ICE/"),
    ],
)
async def test_the_client_counts_what_is_not_200(answer, end, error):
    async with Wire(answer, end=end) as wire:
        window = Window(0.3, ramp_s=0)
        await wire.asking().closed_loop(2, window)
    assert window.errors[error] >= 2
    assert window.latencies_s == []


async def test_the_client_understands_an_answer_in_chunks():
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (ANSWER[:9], ANSWER[9:], b""))
    async with Wire(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks) as wire:
        assert await wire.asking().answers(2) == [{}, {}]


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
async def test_the_client_keeps_the_connection_unless_told(more):
    async with Wire(reply(b"200 OK", more=more), end=bool(more)) as wire:
        connection = await wire.asking().connect()
        wrong, body = await connection.ask(wire.asking().request(b"abc", b"def"))
        assert (wrong, body, connection.closed) == ("", ANSWER, bool(more))
        connection.close()
    assert wire.files == [b"abcdef"]


async def test_a_closed_connection_is_not_asked():
    """Its answer would never come."""
    async with Wire(reply(b"200 OK", more=b"Connection: close\r\n"), end=True) as wire:
        connection = await wire.asking().connect()
        await connection.ask(wire.asking().request(b"abc", b"def"))
        with pytest.raises(ConnectionError):
            await connection.ask(wire.asking().request(b"abc", b"def"))
        connection.close()


async def test_nobody_listening_is_an_error():
    window = Window(0.1, ramp_s=0)
    await OverHttp(1, "/", base_pictures(1)).closed_loop(1, window)
    assert window.errors.total() >= 1
    assert all(error.startswith("connect") for error in window.errors)
    assert window.latencies_s == []


def test_answers_outside_the_window_do_not_count():
    early, late = Window(10, ramp_s=10), Window(0, ramp_s=0)
    for window in (early, late):
        window.record(0)
        window.record(0, "503")
    assert (early.latencies_s, late.latencies_s) == ([], [])
    assert early.errors.total() + late.errors.total() == 0
    assert early.running()
    assert not late.running()


def test_percentiles():
    window = Window(1)
    assert np.isnan(window.percentile_ms(50))
    window.latencies_s = [value / 1e3 for value in range(101)]
    assert [window.percentile_ms(p) for p in (50, 95, 99)] == pytest.approx([50, 95, 99])
