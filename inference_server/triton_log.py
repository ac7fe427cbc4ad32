"""Where Triton's log goes: into a file, or through the launcher, which never lets Triton wait for whoever reads it."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from supervision.output import UnblockedOutput


class TritonLog:
    """The log of one Triton after the other.

    Args:
        path: A file, or a terminal or pipe such as /dev/stderr.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._output: UnblockedOutput | None = None
        if path.exists() and not path.is_file():
            self._output = UnblockedOutput(os.open(path, os.O_WRONLY | os.O_APPEND), dropped_lines)
        self._readers: set[asyncio.Task[object]] = set()

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor for the outputs of a Triton that is started within the block."""
        if self._output is None:
            with self._path.open("ab") as file:
                yield file.fileno()
            return
        reading, writing = os.pipe()
        pipe = os.fdopen(reading, "rb", buffering=0)
        output = self._output
        try:
            yield writing
        except BaseException:
            pipe.close()
            raise
        finally:
            os.close(writing)
        connecting = asyncio.get_running_loop().connect_read_pipe(lambda: _Copy(output), pipe)
        task: asyncio.Task[object] = asyncio.create_task(connecting)
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    def finish(self) -> None:
        """Write what waits, but not for long."""
        if self._output is not None:
            self._output.finish()


def dropped_lines(count: int) -> str:
    """What is said when lines can be written again."""
    return f"({count} lines were dropped here: nobody read them.)"


class _Copy(asyncio.Protocol):
    """Hands on what it reads; the transport closes itself when the last writer has gone."""

    def __init__(self, output: UnblockedOutput) -> None:
        self._output = output

    def data_received(self, data: bytes) -> None:
        self._output.write(data.decode(errors="replace"))
