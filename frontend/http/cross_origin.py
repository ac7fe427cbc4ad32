"""What pages of other origins may send and read, where the settings name those origins (CORS).

There are no cookies, so requests never carry credentials of the browser's; keys are headers that a page sends itself.
"""

from collections.abc import Sequence
from typing import Any, Final

from frontend.http import access, caller_headers

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
SENT: Final = (
    access.HEADER,
    caller_headers.PREFER["name"],
    *(each["name"] for each in caller_headers.HEADERS),
    "X-Request-ID",
    "traceparent",
    "tracestate",
    "baggage",
    "If-Modified-Since",  # of files
    "If-None-Match",
    "If-Range",
    "Range",
)
"""The headers of requests that this service reads, beside those that every page may send."""

READ: Final = (
    "Accept-Ranges",
    "Allow",
    "Cache-Status",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Location",
    "Content-Range",
    "ETag",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Server-Timing",
    "WWW-Authenticate",
    "X-Request-ID",
)
"""The headers of answers that this service sends, beside those that every page may read."""


def allowing(origins: Sequence[str]) -> dict[str, Any]:
    """What Starlette's middleware is told.

    Args:
        origins: whose pages may ask; they may be of the Internet and this service of a hospital's own network.
    """
    return {
        "allow_origins": origins,
        "allow_methods": METHODS,
        "allow_headers": SENT,
        "allow_private_network": True,
        "expose_headers": READ,
    }
