"""The port: who is let in while the service leaves, and what the terminal is told."""

import asyncio
import socket

import pytest

from frontend import listening

HOST = "127.0.0.1"


@pytest.fixture
def listener():
    with listening.listen(HOST, 0) as made:
        yield made


def test_who_has_come_in_stays_and_who_comes_later_finds_it_closed(listener):
    address = listener.getsockname()
    with socket.create_connection(address) as early:
        early.sendall(b"hello")
        listening.refuse_new_connections(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.3)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"
            accepted.sendall(b"bye")
            assert early.recv(3) == b"bye"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


class Service:
    """Answers what it is told to; the last answer stays."""

    def __init__(self, *answers):
        self._answers = [*answers]
        self.asked = 0

    async def answer(self, reader, writer):
        self.asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
        writer.close()


MISSING = b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"problems": {"tiny": "not loaded"}}'
READY = b'HTTP/1.1 200 OK\r\n\r\n{"ready": true}'


async def test_the_address_is_told_when_the_service_is_ready(listener, capsys):
    service = Service(MISSING, READY)
    async with await asyncio.start_server(service.answer, sock=listener):
        port = listener.getsockname()[1]
        await asyncio.wait_for(listening.announce(HOST, port), 60)
    assert capsys.readouterr().out == f"Oncoserve is ready: http://localhost:{port}/\n"
    assert service.asked == 2


async def test_what_is_missing_is_said_once_and_asked_for_ever_less_often(listener, capsys, monkeypatch):
    monkeypatch.setattr(listening, "SAY_AFTER_S", 0.1)
    monkeypatch.setattr(listening, "FIRST_PAUSE_S", 0.01)
    service = Service(MISSING)
    async with await asyncio.start_server(service.answer, sock=listener):
        announcing = asyncio.create_task(listening.announce(HOST, listener.getsockname()[1]))
        await asyncio.sleep(1.5)
        announcing.cancel()
    assert capsys.readouterr().out == "Oncoserve is not ready yet: tiny: not loaded. It goes on trying.\n"
    assert 5 < service.asked < 20  # with the first pause all the time it would be 150
