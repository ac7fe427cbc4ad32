"""What a caller offers beside its request, and what comes that is no request of HTTP/1.1.

httptools, like Node's parser below it, takes a request that offers another protocol (`Upgrade: h2c`, as Java's client
and `curl --http2` do with every request to http://, or `Upgrade: websocket`) for one without a body, and ends with its
head. RFC 9110 (7.8) lets a server ignore the offer. The same head is read again without it: what follows is its body,
by the same rules as everybody's, and never a second request.
"""

from collections.abc import Iterable

from httptools import HttpRequestParser

from oncoserve.errors import HttpVersionNotSupported, MalformedRequest, PlatformError

VERSIONS = frozenset({"1.0", "1.1"})
HTTP2_PREFACE = b"PRI"
TLS_RECORDS = frozenset({0x15, 0x16, 0x80})  # alert, handshake, and the first of SSL 2


def head_without_offer(method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request that offered another protocol, without the offer.

    Args:
        method: as it was read.
        url: as it was read.
        version: of HTTP, such as "1.1".
        headers: names in lower case, and values, as they were read.
    """
    kept = [b"%s: %s\r\n" % (name, value) for name, value in headers if name not in {b"upgrade", b"http2-settings"}]
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, url, version.encode(), b"".join(kept))


def new_parser(protocol: object) -> HttpRequestParser:
    """A parser as uvicorn makes it: with what follows the last request it is lenient, since that is not read."""
    parser = HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def unreadable(first: int, method: bytes, version: str) -> PlatformError:
    """The error for bytes that the parser refused.

    Args:
        first: the first byte that came on the connection.
        method: as far as it was read.
        version: of HTTP, as far as it was read.
    """
    if first in TLS_RECORDS:
        return MalformedRequest(
            "These are bytes of TLS, and this port speaks plain HTTP. Ask by http://, or by the address of the proxy "
            "that speaks TLS for it."
        )
    if method == HTTP2_PREFACE:
        return HttpVersionNotSupported("2")
    if version not in VERSIONS | {"0.0"}:
        return HttpVersionNotSupported(version)
    return MalformedRequest("It is no HTTP/1.1: the request line, a header or the framing of the body is not valid.")
