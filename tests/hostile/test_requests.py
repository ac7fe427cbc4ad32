"""Requests that no client library would make: sizes that lie, heads and paths that are built to confuse."""

import pytest

from testbed.encoded_pictures import encoded, noise
from tests.hostile.wire import PREDICT, talk

pytestmark = pytest.mark.usefixtures("still_works")

PICTURE = encoded(noise((16, 16)))
RESULT = "0" * 32
LIMIT_BYTES = 2**20  # ONCO_MAX_UPLOAD_BYTES of the fixture


def chunked(*chunks):
    return b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks)


@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Length: 99999999999\r\n\r\n",
        chunked(*[bytes(2**16)] * 20),
        b"Content-Type: multipart/form-data; boundary=x\r\n"
        + chunked(b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n', *[bytes(2**16)] * 20),
    ],
    ids=["declared", "chunked", "chunked multipart"],
)
def test_a_body_above_the_limit(service, sent):
    answer = talk(service.port, PREDICT + sent)
    assert (answer.status, answer.code) == (413, "upload_too_large")


def test_an_understated_length_ends_the_body_there(service):
    answer = talk(service.port, PREDICT + b"Content-Length: 20\r\nConnection: close\r\n\r\n" + PICTURE)
    assert (answer.status, answer.code) == (422, "corrupt_image")


@pytest.mark.parametrize(
    ("head", "statuses"),
    [
        (b"Content-Length: abc\r\n\r\n", {400}),
        (b"Content-Length: -1\r\n\r\n", {400}),
        (b"Content-Length: 99999999999999999999999999\r\n\r\n", {400}),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", {400}),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", {400}),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        (b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", {400}),
        (b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", {400}),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", {400}),
        (b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n", {400}),
        (b"X-A: a\r\n b\r\n\r\n", {400}),
        (b"X-A: a\0b\r\n\r\n", {400}),
        (b"X\0A: a\r\n\r\n", {400}),
        (b"X A: a\r\n\r\n", {400}),
        (b": a\r\n\r\n", {400}),
        (b"no colon\r\n\r\n", {400}),
        (b"X-A: \xff\xfe\r\n\r\n", {400}),
        (b"Accept: " + b"a/b;q=x," * 1000 + b"\r\n\r\n", {400, 406}),
        (b"Accept: \xff\xff\r\n\r\n", {400, 406}),
        (b"X-Request-ID: " + b"a" * 1000 + b"\r\n\r\n", {400}),
        (b"traceparent: 00-zz-zz-zz\r\n\r\n", {400}),
        (b"Content-Type: \xff/\xff; boundary=\xff\r\nContent-Length: 1\r\n\r\na", {415}),
        (b"Expect: nonsense\r\nContent-Length: 1\r\n\r\na", {415, 417}),
        (b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\na", {415}),
        (b"X-Long: " + b"a" * 40_000 + b"\r\n\r\n", {431}),
        (b"X-Many: a\r\n" * 10_000 + b"\r\n", {431}),
        (b"X-Endless: " + b"a" * 10_000_000, {431}),
        (b"a" * 10_000_000, {431}),
    ],
    ids=lambda value: repr(value[:44]) if isinstance(value, bytes) else "",
)
def test_heads(service, head, statuses):
    answer = talk(service.port, PREDICT + head)
    assert answer.status in statuses
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"\0\0\0\0", 400), (b"GET\r\n\r\n", 400), (b"GET / HTTP/9.9\r\n\r\n", 505),
     (b"\x16\x03\x01\x02\x00\x01\x00", 400), (b"\r\n" * 5 + b"G\r\n\r\n", 400), (b"get / http/1.1\r\n\r\n", 400),
     (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505), (b"BREW / HTTP/1.1\r\n\r\n", 400)],
    ids=repr,
)  # fmt: skip
def test_lines_that_are_no_http(service, line, status):
    answer = talk(service.port, line)
    code = "malformed_request" if status == 400 else "http_version_not_supported"
    assert (answer.status, answer.code, answer.closed) == (status, code, True)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH", "DELETE", "PROPFIND", "GET"])
def test_other_methods_name_those_there_are(service, method):
    answer = talk(service.port, method.encode() + b" /v1/models/tiny/predict HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "method_not_allowed", "OPTIONS, POST")


def test_the_service_as_a_whole_has_options_and_no_tunnel(service):
    answer = talk(service.port, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (answer.status, answer.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, POST, PUT")
    answer = talk(service.port, b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.code, answer.closed) == (405, "method_not_allowed", True)


def test_head_on_a_kept_connection_is_followed_by_no_body(service):
    head = b"HEAD /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = talk(service.port, head + b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 100
    assert answer.body.startswith(b"HTTP/1.1 200")
    assert answer.body.endswith(b"ok\n")


@pytest.mark.parametrize(
    "offer",
    [b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n",
     b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"],
    ids=["h2c", "websocket"],
)  # fmt: skip
def test_a_picture_is_answered_although_another_protocol_is_offered(service, offer):
    length = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(PICTURE)
    answer = talk(service.port, PREDICT + offer + length, PICTURE[:50], PICTURE[50:], pause_s=0.05)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        (b"x=" + b"a" * 64_000, 431, "head_too_large"),
        (b"x=" + b"a" * 20_000, 422, "invalid_parameter"),
        (b"&".join(b"x%d=1" % number for number in range(1000)), 422, "invalid_parameter"),
        (b"a=1&" * 2000, 422, "invalid_parameter"),
        (b"\xff\xfe=%ff%fe", 400, "malformed_request"),
        (b"%00=%00", 422, "invalid_parameter"),
        (b"__class__=1", 422, "invalid_parameter"),
        (b"=", 422, "invalid_parameter"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else "",
)
def test_queries(service, query, status, code):
    head = b"POST /v1/models/tiny/predict?%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    answer = talk(service.port, head % (query, len(PICTURE)) + PICTURE)
    assert (answer.status, answer.code) == (status, code)


ELSEWHERE = [
    "..", "../..", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "%252e%252e%252fetc%252fpasswd",
    "..%5c..%5cetc%5cpasswd", "..\\..\\etc\\passwd", "%c0%ae%c0%ae/etc/passwd", "%e2%80%a5/etc/passwd", "%00",
    "a%00.png", "%ff%fe", "/etc/passwd", "//etc/passwd", "....//....//etc/passwd", "file:%2f%2f%2fetc%2fpasswd",
    "a" * 5000, "%0d%0aX-Injected:%20yes", "%F0%9D%9F%98" * 32, RESULT + "%0a", RESULT + "/../../x", "A" * 32,
    "-", "~", "*", "%",
]  # fmt: skip


NO_SUCH_PLACE = {
    (404, "not_found"), (404, "model_not_found"), (404, "result_not_found"), (404, "sample_not_found"),
    (404, "rendering_not_available"), (405, "method_not_allowed"), (400, "malformed_request"),
}  # fmt: skip


@pytest.mark.parametrize("name", ELSEWHERE, ids=lambda name: name[:30])
@pytest.mark.parametrize(
    "place",
    ["/v1/results/{}", "/v1/results/{}/overlay.png", "/v1/models/{}", "/static/{}", "/v1/samples/{}", "/{}"],
)
def test_no_path_leads_elsewhere(service, place, name):
    answer = talk(service.port, f"GET {place.format(name)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert b"root:" not in answer.body
    assert "x-injected" not in answer.headers
    if place.format(name).rstrip("/.") in {"", "/v1/results", "/v1/models"}:
        assert answer.status in {200, 307, 404}
    else:
        assert (answer.status, answer.code) in NO_SUCH_PLACE


@pytest.mark.parametrize("name", ELSEWHERE, ids=lambda name: name[:30])
def test_no_model_name_leads_elsewhere(service, name):
    head = f"POST /v1/models/{name}/predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(PICTURE)}"
    answer = talk(service.port, head.encode() + b"\r\n\r\n" + PICTURE)
    assert answer.status in {400, 404, 405, 503}
