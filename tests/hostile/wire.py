"""A caller that keeps to no rules: bytes on a socket, and whatever comes back."""

import json
import socket
import time
from dataclasses import dataclass

PREDICT = b"POST /v1/models/tiny/predict HTTP/1.1\r\nHost: x\r\n"


@dataclass(frozen=True)
class Answer:
    """What came back until the server closed or nothing came any more."""

    status: int | None
    headers: dict[str, str]
    body: bytes
    closed: bool
    seconds: float

    @property
    def code(self):
        """The problem's code; fails if the answer is no problem document."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.body[:200])
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["x-request-id"]
        return problem["code"]


def talk(port, *pieces, pause_s=0.0, wait_s=8.0):
    """Send the pieces, a pause between two, until the server answers; then read until it closes or is silent.

    The reading ends with an answer that is whole by its Content-Length, unless it says that the server closes.
    """
    started = time.monotonic()
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break  # the server has closed
            connection.settimeout(pause_s or 0.001)
            if _read(connection, received) is not None:
                break
        closed = False
        connection.settimeout(0.05)
        while not closed and not _whole(received) and time.monotonic() - started < wait_s:
            closed = _read(connection, received) == b""
    return _parse(bytes(received), closed, time.monotonic() - started)


def _read(connection, received):
    """What came, b"" for the end, None for nothing yet."""
    try:
        data = connection.recv(2**16)
    except TimeoutError:
        return None
    except ConnectionError:
        return b""
    received += data
    return data


def _whole(received):
    head, separator, body = bytes(received).lower().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next((int(line[16:]) for line in lines if line.startswith(b"content-length:")), None)
    return bool(separator) and length is not None and len(body) >= length and b"connection: close" not in lines


def _parse(received, closed, seconds):
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = int(first.split()[1]) if first else None
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(status, headers, body, closed, seconds)
