"""What callers of the server send, and what they make of its answers."""

import contextlib
import time

LIMIT = 10
PATIENCE_S = 1
LONG_S = 30  # in which a state has to come; far above what it takes
LARGE = bytes(16 * 2**20)


def get(path):
    return b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()


def answer(connection):
    """Status and body of what comes on the connection; None when the server closes it."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(2**16)
        if not data:
            return None
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


def until(condition):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < LONG_S
        time.sleep(0.02)


def closed(connection):
    with contextlib.suppress(ConnectionError):
        while connection.recv(2**16):
            pass
    return True
