"""Text for a terminal."""

import sys
from collections.abc import Iterable, Sequence


def say(words: str) -> None:
    """Tell the user, on stderr: stdout is for what was asked for."""
    print(f"oncoserve: {words}", file=sys.stderr)


def printable(text: str) -> str:
    """The text on one line, without what a terminal would take for a command: file names are other people's."""
    return "".join(char if char.isprintable() else "?" for char in text)


def columns(rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """Rows as lines whose columns stand below each other; the last column is as long as it is."""
    texts = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)][:-1]
    for *cells, last in texts:
        yield "  ".join([*(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)), last]).rstrip()
