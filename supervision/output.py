"""Output that never keeps its writer waiting: a terminal that was stopped, or a pipe that nobody reads, costs lines."""

import atexit
import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

ROOM_BYTES = 2**20  # some 4,000 lines
FLUSH_S = 1.0
GATHER_S = 0.02  # that others may come, so that a busy process wakes its writer fifty times a second at most


class UnblockedOutput(io.TextIOBase):
    """A text stream whose lines a thread of its own writes to a descriptor. What does not fit in the queue is dropped.

    Args:
        descriptor: Where the lines go.
        obituary: The line that says how many were dropped, written when others can be written again.
        room_bytes: The most that waits.
    """

    def __init__(self, descriptor: int, obituary: Callable[[int], str], room_bytes: int = ROOM_BYTES) -> None:
        self.count_dropped: Callable[[int], object] = lambda _: None
        """Told of each line that is dropped."""
        self._descriptor = descriptor
        self._obituary = obituary
        self._room_bytes = room_bytes
        self._lines: deque[bytes] = deque()
        self._begun = ""  # a line whose end has not come
        self._waiting_bytes = 0
        self._dropped = 0
        self._lock = threading.RLock()  # a handler of a signal may write while its thread does
        self._come = threading.Condition(self._lock)
        self._writer: threading.Thread | None = None
        self._finished = False

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take text; its lines are written soon, or dropped."""
        with self._lock:
            self._begun += text
            if text.endswith("\n"):
                self._put(self._begun.encode(errors="backslashreplace"))
                self._begun = ""
        return len(text)

    def finish(self, within_s: float = FLUSH_S) -> None:
        """Write what waits, for so many seconds at most, and take no more."""
        if self._begun:
            self.write("\n")
        with self._lock:
            self._finished = True
            self._come.notify()
        if self._writer is not None:
            self._writer.join(within_s)

    def _put(self, line: bytes) -> None:
        if self._finished or self._waiting_bytes + len(line) > self._room_bytes:
            self._drop()
            return
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_lines, name="output", daemon=True)
            self._writer.start()
        self._waiting_bytes += len(line)
        self._lines.append(line)
        if len(self._lines) == 1:
            self._come.notify()

    def _drop(self, lines: int = 1) -> None:
        self._dropped += lines
        self.count_dropped(lines)

    def _write_lines(self) -> None:
        while lines := self._next_lines():
            whole = b"".join(lines)
            written = _write_all(self._descriptor, whole)
            with self._lock:
                self._waiting_bytes -= len(whole)
                if not written:
                    self._drop(len(lines))
                    continue
                dropped, self._dropped = self._dropped, 0
            if dropped:
                _write_all(self._descriptor, f"{self._obituary(dropped)}\n".encode())

    def _next_lines(self) -> list[bytes]:
        """Wait for some; as many as a pipe takes in one piece, since other processes write to it, too."""
        with self._come:
            if not self._lines and not self._finished:
                self._come.wait_for(lambda: self._lines or self._finished)
                self._come.wait_for(lambda: self._finished, GATHER_S)
            lines: list[bytes] = []
            size = 0
            while self._lines and (not lines or size + len(self._lines[0]) <= select.PIPE_BUF):
                lines.append(self._lines.popleft())
                size += len(lines[-1])
            return lines


def unblock_standard_outputs(obituary: Callable[[int], str]) -> None:
    """Let what this process prints, and logs to its standard outputs, go through `UnblockedOutput`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, f"__{name}__")
        if stream is not None:
            output = UnblockedOutput(stream.fileno(), obituary)
            setattr(sys, name, output)
            atexit.register(output.finish)


def _write_all(descriptor: int, line: bytes) -> bool:
    """Write the line; returns whether all of it went out."""
    while line:
        try:
            line = line[os.write(descriptor, line) :]
        except BlockingIOError:  # somebody made the descriptor non-blocking
            select.select([], [descriptor], [])
        except OSError:  # nobody is there to read, or the disk is full
            time.sleep(0.01)
            return False
    return True
