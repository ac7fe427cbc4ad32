"""A drawing on its way out: what a slow reader has not taken yet is counted until it has."""

import itertools
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

from oncoserve.runtime.budget import Share
from oncoserve.runtime.threads import CpuThreads

PIECES_AT_ONCE = 256  # of text, per change of threads
PIECE_BYTES = 256 * 1024  # of an image


class Drawing:
    """A rendering that waits to be read. A context manager, at whose end its memory is given back.

    Args:
        content: all bytes, or text in pieces.
        share: its memory.
        threads: where text is made.
    """

    def __init__(self, content: bytes | Iterator[str], share: Share, threads: CpuThreads) -> None:
        self._content = content
        self._share = share
        self._threads = threads

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._share.close()

    @property
    def size(self) -> int | None:
        """Bytes in all; None where they are not made yet."""
        return len(self._content) if isinstance(self._content, bytes) else None

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """Its bytes, in pieces that a slow reader can take one by one."""
        content = self._content
        if isinstance(content, bytes):
            view = memoryview(content)
            for start in range(0, len(view), PIECE_BYTES):
                yield view[start : start + PIECE_BYTES]
            return

        def take() -> bytes:
            with self._share.in_use():
                return "".join(itertools.islice(content, PIECES_AT_ONCE)).encode()

        while piece := await self._threads.run(take):
            yield piece
