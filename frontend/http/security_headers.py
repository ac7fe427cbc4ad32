"""What browsers are told with every answer: nothing is guessed, framed, embedded, sent on or loaded from elsewhere."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.http.links import path_of

RawHeaders = tuple[tuple[bytes, bytes], ...]

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'"
)
# Swagger UI writes style attributes, and its style sheet holds pictures as data:.
DOCS = f"{NOTHING}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"

REVALIDATE = "no-cache"  # kept by the browser, but checked each time: a page never runs an earlier version's script
KEEP = "public, max-age=31536000, immutable"  # the address has the version in it
KEEP_NOTHING = "no-store"  # pictures and findings of patients stay out of caches on disk


# Who may show it: this service's own pages, and those of origins that the settings name.
SAME_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")
CROSS_ORIGIN = (b"cross-origin-resource-policy", b"cross-origin")
NAMED = b"access-control-allow-origin"  # is in the answer to a page of such an origin


def _headers(policy: str, caching: str) -> RawHeaders:
    named = {
        "content-security-policy": policy,
        "cache-control": caching,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }
    return tuple((name.encode(), value.encode()) for name, value in named.items())


ANSWER = _headers(NOTHING, KEEP_NOTHING)
STATIC = _headers(NOTHING, REVALIDATE)
UNCHANGING = _headers(NOTHING, KEEP)
FINDINGS = _headers(PAGE, KEEP_NOTHING)
PAGES = {"/": _headers(PAGE, REVALIDATE), "/errors": _headers(PAGE, REVALIDATE), "/docs": _headers(DOCS, REVALIDATE)}
PAGES |= {"/ask": FINDINGS, "/jobs": FINDINGS}
FOLDERS = (
    ("/results/", FINDINGS),
    ("/jobs/", FINDINGS),
    ("/static", STATIC),
    ("/samples/", STATIC),
    ("/v1/samples/", STATIC),
)


class SecurityHeaders:
    """Adds headers that were built once.

    Args:
        app: what to wrap.
        unchanging: how the addresses of files begin that never change under the same address; None without any.
    """

    def __init__(self, app: ASGIApp, unchanging: str | None = None) -> None:
        self._app = app
        self._folders = FOLDERS if unchanging is None else ((unchanging, UNCHANGING), *FOLDERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = path_of(scope)
        added = PAGES.get(path) or next((each for folder, each in self._folders if path.startswith(folder)), ANSWER)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                shown_by = CROSS_ORIGIN if any(name == NAMED for name, _ in given) else SAME_ORIGIN
                message["headers"] = (*given, *added, shown_by)
            await send(message)

        await self._app(scope, receive, send_with_headers)
