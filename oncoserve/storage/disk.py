"""The disk that results and jobs lie on: whether it has room, whether it answers, and threads that may wait for it."""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final, ParamSpec, TypeVar

from oncoserve.errors import StorageFull, StorageUnavailable
from oncoserve.runtime.threads import Awaited

P = ParamSpec("P")
T = TypeVar("T")

LOOK_S: Final = 1.0
"""Seconds between two looks at the disk."""

THREADS: Final = 4  # of each of the two kinds: those that read, and those that write

log = logging.getLogger(__name__)


class FileThreads:
    """Threads that may wait for a disk for ever; whoever asks them waits for a limited time.

    While a call is late, the next is refused at once, but for one in `timeout_s` that finds out whether the disk is
    back. Who asks from one of these threads is in the right place: the call is done there, in the time of the first.

    Args:
        timeout_s: seconds that a caller waits.
        count: number of threads, and so of calls that can be stuck.
        what: does not answer then.
    """

    def __init__(self, timeout_s: float, count: int = THREADS, what: str = "disk") -> None:
        self._what = what
        self._timeout_s = timeout_s
        self.count = count
        self._calls: SimpleQueue[Callable[[], bool]] = SimpleQueue()
        self._here = threading.local()
        self._starting = threading.Lock()
        self._started = False
        self._late = False
        self._next_try_s = 0.0

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in one of the threads and wait for it.

        Raises:
            StorageUnavailable: it took too long; it may still be done when the disk answers.
        """
        if getattr(self._here, "works", False):
            return function(*args, **kwargs)
        self._refuse_while_late()
        call: Future[T] = Future()
        self._put(partial(_do, call, partial(function, *args, **kwargs)))
        try:
            return call.result(self._timeout_s)
        except TimeoutError:
            if call.done() and not call.cancelled():
                raise  # the function's own
            call.cancel()  # if no thread has taken it yet
            raise self._too_late() from None
        finally:
            del call  # it has the error, whose traceback has this frame: such a circle would keep the caller's picture

    async def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for a coroutine, which holds no thread while it waits; see `run`."""
        self._refuse_while_late()
        call = Awaited(partial(function, *args, **kwargs))
        self._put(call.do)
        try:
            async with asyncio.timeout(self._timeout_s) as patience:
                answer: T = await call.answer
        except TimeoutError:
            if not patience.expired():
                raise
            raise self._too_late() from None
        finally:
            call.drop()
            del call  # see `run`
        return answer

    def later(self, function: Callable[[], object]) -> None:
        """Run something that nobody waits for and that may be left out."""
        if not self._late:
            self._put(partial(_do, Future(), function))

    def _refuse_while_late(self) -> None:
        if self._late:
            if time.monotonic() < self._next_try_s:
                raise StorageUnavailable(self._too_slow)
            self._next_try_s = time.monotonic() + self._timeout_s

    def _too_late(self) -> StorageUnavailable:
        self._late, self._next_try_s = True, time.monotonic() + self._timeout_s
        return StorageUnavailable(self._too_slow)

    @property
    def _too_slow(self) -> str:
        return f"the {self._what} did not answer within {self._timeout_s:g} s"

    def _put(self, call: Callable[[], bool]) -> None:
        if not self._started:
            with self._starting:
                if not self._started:
                    for number in range(self.count):  # daemons: a disk that never answers must not keep a process
                        threading.Thread(target=self._work, name=f"files_{number}", daemon=True).start()
                    self._started = True
        self._calls.put(call)

    def _work(self) -> None:
        self._here.works = True
        while True:
            call = self._calls.get()
            if call():
                self._late = False
            del call  # and the picture in it, which would stay in memory until the next call comes


def _do(call: "Future[T]", function: Callable[[], T]) -> bool:
    """Do it in the calling thread, unless nobody waits for it any more; whether it was done."""
    if not call.set_running_or_notify_cancel():
        return False
    try:
        call.set_result(function())
    except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
        call.set_exception(error)
    del call, function  # an error's traceback has this frame, which must not lead back to the error
    return True


class Disk:
    """One file system, and how it is.

    Args:
        folder: on it; may not be there yet.
        min_free_bytes: below so much room new work is refused.
        min_free_inodes: below so many files that could be made, too; ignored where the file system has no such limit.
        timeout_s: seconds after which a disk that does not answer counts as away.
        beat: writes a little to it, with every look.
    """

    def __init__(
        self,
        folder: Path,
        min_free_bytes: int = 0,
        min_free_inodes: int = 0,
        timeout_s: float = 10.0,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._min_free_inodes = min_free_inodes
        self._timeout_s = timeout_s
        self._beat = beat
        self._error: StorageUnavailable | None = None
        self._looking_since: float | None = None
        self._told = ""
        self._stop = threading.Event()
        self.reading, self.writing = FileThreads(timeout_s), FileThreads(timeout_s)

    @property
    def error(self) -> StorageUnavailable | None:
        """Why new work is refused, as of the last look; None while it is not."""
        since = self._looking_since
        if since is not None and (waiting_s := time.monotonic() - since) > self._timeout_s:
            return StorageUnavailable(f"the disk has not answered for {waiting_s:.0f} s")
        return self._error

    def check(self) -> None:
        """Refuse new work early, before anything is read or computed for it.

        Raises:
            StorageFull: there is less room than is to be kept free.
            StorageUnavailable: the disk does not answer.
        """
        if (error := self.error) is not None:
            raise error

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the disk every `LOOK_S` for the length of the block, in a thread of its own."""
        self._error = self._room()
        threading.Thread(target=self._watch, name="disk", daemon=True).start()
        try:
            yield
        finally:
            self._stop.set()

    def _watch(self) -> None:
        while True:
            self._looking_since = time.monotonic()
            self._error = self._look()
            self._looking_since = None
            self._tell()
            if self._stop.wait(LOOK_S):
                return

    def _look(self) -> StorageUnavailable | None:
        with contextlib.suppress(OSError):  # what cannot be written is told by whoever needs it
            self._beat()
        return self._room()

    def _room(self) -> StorageFull | None:
        """What is missing of the room that is to be kept free."""
        folder = self._folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        try:
            status = os.statvfs(folder)
        except OSError:
            return None
        free = status.f_bavail * status.f_frsize
        if status.f_blocks and free < self._min_free_bytes:  # one without blocks, such as /proc, is not a disk
            return StorageFull("bytes", free, self._min_free_bytes)
        if status.f_files and status.f_favail < self._min_free_inodes:
            return StorageFull("files", status.f_favail, self._min_free_inodes)
        return None

    def _tell(self) -> None:
        error = self._error
        if error is not None and not self._told:
            log.error("new work is refused", extra={"reason": str(error.args[0])})
        elif error is None and self._told:
            log.info("the disk has room again")
        self._told = "" if error is None else error.code
