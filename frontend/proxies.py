"""Where the service stands behind a proxy: the path that it is published under, and who really asks."""

import logging
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from oncoserve.runtime.addresses import is_in, networks, root_path

PREFIX, HOST = b"x-forwarded-prefix", b"x-forwarded-host"
SAID = frozenset({PREFIX, HOST, b"x-forwarded-for", b"x-forwarded-proto"})
HOSTS = re.compile(rb"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
MOVED = 307  # a slash at the end of the address is missing, or is too many
MAPPED = "::ffff:"  # how a socket for both kinds of address names one of IPv4

log = logging.getLogger(__name__)


class BehindProxy:
    """The outermost middleware: everything inside sees the request as the caller sent it to the proxy.

    A proxy may strip the path that it publishes the service under, or not: `path` has it in both cases, as ASGI says.
    X-Forwarded-For and -Proto are read by uvicorn's own middleware.

    Args:
        app: what to wrap.
        root: the path, where no proxy says another one.
        trusted: addresses and networks of the proxies that are believed, see `networks`.
    """

    def __init__(self, app: ASGIApp, root: str, trusted: str) -> None:
        self._trusted = networks(trusted)
        self._app = ProxyHeadersMiddleware(app, [str(each) for each in self._trusted])  # type: ignore[arg-type]
        self._root = root
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        if scope["type"] == "http":
            address, port = scope.get("client") or ("", 0)
            if address.startswith(MAPPED):
                address = address.removeprefix(MAPPED)
                scope["client"] = address, port
            said = [header for header in scope["headers"] if header[0] in SAID]
            root = self._told_by_proxy(scope, said, address) if said else self._root
            if root:
                _place(scope, root)
        await self._app(scope, receive, _without_host(send))  # type: ignore[arg-type]

    def _told_by_proxy(self, scope: Scope, said: Sequence[tuple[bytes, bytes]], peer: str) -> str:
        """The path that the proxy says; its host goes into the scope."""
        if not is_in(peer, self._trusted):
            self._tell_once("X-Forwarded-* is not believed: whoever sent it is not in ONCO_TRUSTED_PROXIES")
            return self._root
        host = _only(said, HOST)
        if host is not None and HOSTS.fullmatch(host):
            scope["headers"] = [*(each for each in scope["headers"] if each[0] != b"host"), (b"host", host)]
        elif host is not None:
            self._tell_once("X-Forwarded-Host is ignored: it is not one host")
        prefix = _only(said, PREFIX)
        if prefix is None:
            return self._root
        try:
            return root_path(prefix.decode("latin-1"))
        except ValueError as error:
            self._tell_once(f"X-Forwarded-Prefix is ignored: {error}")
            return self._root

    def _tell_once(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            log.warning(words)


def _only(said: Sequence[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    """The value of a header; several make one list, which is no value of a header that has one."""
    values = [value for name, value in said if name == wanted]
    return b",".join(values) if values else None


def _without_host(send: Send) -> Send:
    """Redirections to paths: Starlette's name the host as the proxy asked for it, which proxies may rewrite or not."""

    async def send_path(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == MOVED:
            headers = MutableHeaders(scope=message)
            headers["Location"] = urlsplit(headers["Location"])._replace(scheme="", netloc="").geturl()
        await send(message)

    return send_path


def _place(scope: Scope, root: str) -> None:
    path, below = scope["path"], f"{root}/"
    if not path.startswith("/"):  # OPTIONS * is of the service as a whole, wherever it is published
        return
    if path != root and not path.startswith(below):  # the proxy has stripped it, or somebody asks beside the proxy
        scope["path"] = root + path
        scope["raw_path"] = root.encode() + scope.get("raw_path", b"")
    scope["root_path"] = root
