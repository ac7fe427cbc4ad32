"""Methods that every address has: HEAD wherever there is GET, and OPTIONS."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD, GET, OPTIONS = "HEAD", "GET", "OPTIONS"


class HeadAsGet:
    """Answers HEAD with the headers of GET, made in the same way, and without the body (RFC 9110, 9.3.2).

    Below it there is no HEAD. Around it there is: what counts and logs requests knows it by its name.

    Args:
        app: what to wrap.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        if scope["type"] != "http" or scope["method"] != HEAD:
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": GET}
        try:
            await self._app(asked, receive, send_head)
        finally:
            scope["route"] = asked.get("route")


def allowed(methods: set[str]) -> str:
    """The header `Allow` of an address that has these methods."""
    also = {HEAD, OPTIONS} if GET in methods else {OPTIONS}
    return ", ".join(sorted(methods | also))
