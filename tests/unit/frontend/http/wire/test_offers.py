"""Callers that offer another protocol beside their request, or speak another one: one answer each, by HTTP/1.1."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.frontend.http.wire.callers import answer, closed, get, until
from tests.unit.frontend.http.wire.echoing import serving

BODY = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"  # which would be a request, if it were not a body
# As they were recorded: Java 17's HttpClient and curl 7.88 with --http2, which offer it with every request.
JAVA = (
    b"Connection: Upgrade, HTTP2-Settings\r\nHost: 127.0.0.1:5000\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\nUpgrade: h2c\r\n"
    b"User-Agent: Java-http-client/17.0.15\r\nContent-Type: image/png\r\n"
)
CURL = (
    b"Host: 127.0.0.1:5000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
)
WEBSOCKET = (
    b"Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
SEVERAL = b"Host: x\r\nConnection: UPGRADE\r\nUpgrade: irc/6.9, h2c\r\nupgrade: foo\r\n"
BARE = b"Host: x\r\nUpgrade: h2c\r\n"
OFFERS = {"java": JAVA, "curl": CURL, "websocket": WEBSOCKET, "several": SEVERAL, "without Connection": BARE}
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
SENT = {
    "at once": [LENGTH + BODY],
    "body later": [LENGTH, BODY],
    "body in two parts": [LENGTH + BODY[:9], BODY[9:]],
    "chunked": [CHUNKED + CHUNKS],
    "chunked, later": [CHUNKED, CHUNKS],
    "after 100 Continue": [b"Expect: 100-continue\r\n" + LENGTH, BODY],
}


def post(version=b"1.1"):
    return b"POST /echo HTTP/%s\r\n" % version


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_the_offer_is_ignored_and_the_request_answered_once(server, connect, offer, sent):
    first, *later = sent
    connection = connect(post() + offer + first)
    for piece in later:
        until(lambda: server.server_state.tasks)  # its head has been read
        connection.sendall(piece)
    received = b""
    while not received.endswith(BODY):
        data = connection.recv(2**16)
        assert data
        received += data
    heads = [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert heads[-1:] == [b"HTTP/1.1 200 OK"]
    assert heads[:-1] in ([], [b"HTTP/1.1 100 Continue"])
    connection.sendall(get("/next"))
    assert answer(connection)[::2] == (200, b"fine")


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_requests_behind_an_offer_get_answers_of_their_own(connect, offer):
    connection = connect((post() + offer + LENGTH + BODY) * 300 + get("/next"))
    received = b""
    while not received.endswith(b"fine"):
        data = connection.recv(2**16)
        assert data
        received += data
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 301
    assert received.count(BODY) == 300


def test_a_head_may_come_byte_by_byte(connect):
    connection = connect()
    for byte in post() + JAVA + LENGTH:
        connection.sendall(bytes([byte]))
    connection.sendall(BODY)
    assert answer(connection)[::2] == (200, BODY)


@pytest.mark.parametrize(
    "line", [post() + b"Connection: close, Upgrade\r\n", post(b"1.0") + b"Connection: Upgrade\r\n"]
)
def test_the_last_request_of_a_connection_may_offer_too(server, connect, line):
    connection = connect(line + BARE + LENGTH)
    until(lambda: server.server_state.tasks)
    connection.sendall(BODY + get("/next"))
    status, head, body = answer(connection)
    assert (status, body) == (200, BODY)
    assert b"connection: close" in head
    assert closed(connection)


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n",
     b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: \x0bchunked\r\n", b"Content-Length: +5\r\n",
     b"Content-Length : 5\r\n", b"Content-Length: 5\r\n Transfer-Encoding: chunked\r\n"],
)  # fmt: skip
@pytest.mark.parametrize("offer", [JAVA, WEBSOCKET, b"Host: x\r\n"], ids=["java", "websocket", "none"])
def test_bodies_of_two_lengths_are_refused_and_nothing_behind_them_is_read(connect, offer, framing):
    connection = connect(post() + offer + framing + b"\r\n0\r\n\r\n" + get("/next"))
    status, _, body = answer(connection)
    assert (status, json.loads(body)["code"]) == (400, "malformed_request")  # and nothing behind it
    assert closed(connection)


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505, "HTTP/2."),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "HTTP/2.0."),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, "HTTP/3.0."),
        (b"GET /\r\n\r\n", 505, "HTTP/0.9."),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bytes of TLS"),
        (b"\0\0\0\0", 400, "no HTTP/1.1"),
    ],
)
def test_other_protocols_are_told_what_is_spoken(connect, sent, status, words):
    connection = connect(sent)
    got, head, body = answer(connection)
    assert got == status
    assert words in json.loads(body)["detail"]
    assert b"connection: close" in head
    assert closed(connection)


@pytest.mark.parametrize("target", [b"elsewhere.example:443", b"/echo"])
def test_no_tunnel_is_opened(connect, target):
    connection = connect(b"CONNECT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" % target + get("/next"))
    status, head, body = answer(connection)
    assert (status, b"connection: close" in head) == (200, True)  # by this application; the service has no such method
    assert b"HTTP/1.1" not in body
    assert closed(connection)


@pytest.mark.parametrize(
    ("broken", "told"),
    [(b"@@@\r\n\r\n", b""), (post() + CHUNKED + b"zz\r\n", b"HTTP/1.1 400")],
    ids=["head", "body"],
)
def test_what_is_broken_takes_no_answer_away_from_those_before_it(connect, broken, told):
    connection = connect(get("/first") + broken)
    received = b""
    while data := connection.recv(2**16):
        received += data
    first, _, rest = received.partition(b"fine")
    assert first.startswith(b"HTTP/1.1 200")
    assert rest[:12] == told


def run(*command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_curl_that_offers_http2(server):
    url = f"http://127.0.0.1:{server.port}/echo"
    assert run("curl", "-sS", "--http2", "-d", "a", url, "--next", "-sS", "--http2", "-d", "b", url) == "ab"


def test_the_client_of_java(server, tmp_path):
    picture = tmp_path / "picture"
    picture.write_bytes(bytes(100_000))
    asked = run("java", str(Path(__file__).parent / "Ask.java"), f"http://127.0.0.1:{server.port}/echo", str(picture))
    assert asked.splitlines() == ["200 100000"] * 3
