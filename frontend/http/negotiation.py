"""Which of the offered media types an Accept header asks for (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

from oncoserve.errors import NotAcceptable


def choose(accept: str, offered: Sequence[str]) -> str:
    """The offered type that the caller prefers; the first when it has no preference.

    Raises:
        NotAcceptable: it takes none of them.
    """
    if not accept.strip():
        return offered[0]
    ranges = [_parse(part) for part in accept.split(",")]
    best = max(offered, key=lambda media_type: (_quality(media_type, ranges), -offered.index(media_type)))
    if _quality(best, ranges) <= 0:
        raise NotAcceptable(accept, offered)
    return best


def _parse(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality that the most specific matching range gives."""
    for wanted in (media_type, f"{media_type.split('/', maxsplit=1)[0]}/*", "*/*"):
        matching = [quality for name, quality in ranges if name == wanted]
        if matching:
            return max(matching)
    return 0.0
