"""The threads that do the CPU's work: decoding, resizing, rendering, encoding, files."""

import asyncio
import contextlib
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CpuThreads:
    """A bounded pool; its size is the limit on CPU work at once.

    asyncio's own way, `run_in_executor`, makes two futures, a condition and a chain of callbacks for each call, which
    cost as much as reading a picture's head.

    Args:
        count: number of threads.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads: list[Thread] = []
        self._waiting: SimpleQueue[Awaited | None] = SimpleQueue()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work in one of the threads, when one is free."""
        if not self._threads:
            self._start()
        call = Awaited(lambda: function(*args, **kwargs))
        self._waiting.put(call)
        try:
            answer: T = await call.answer
        except asyncio.CancelledError:
            call.drop()
            raise
        finally:
            del call  # it has the error, whose traceback has this frame: such a circle would keep the picture
        return answer

    def close(self) -> None:
        """Wait for running work and end the threads."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        for number in range(self._count):
            # Daemons, because a process that was not closed, such as a test that failed, has to end all the same.
            self._threads.append(Thread(target=self._work, name=f"cpu_{number}", daemon=True))
            self._threads[-1].start()

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            call.do()
            del call  # and its picture, which would stay in memory until the next call comes


class Awaited:
    """One piece of work, and the future that its caller awaits."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function: Callable[[], Any] | None = function
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self._loop.create_future()

    def do(self) -> bool:
        """Do it in the calling thread, unless the caller has stopped waiting; whether it was done."""
        function = self._function
        if function is None or self.answer.cancelled():
            return False
        try:
            settle, outcome = self.answer.set_result, function()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
            settle, outcome = self.answer.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(self._settle, settle, outcome)
        # An error's traceback has this frame, which must not lead back to the error.
        del self, function, settle, outcome
        return True

    def drop(self) -> None:
        """Nobody waits: if it has not begun it is not done, and its picture leaves the memory now."""
        self._function = None

    def _settle(self, settle: Callable[[Any], None], outcome: object) -> None:
        if not self.answer.done():  # cancelled meanwhile
            settle(outcome)
