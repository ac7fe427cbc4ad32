"""Leaving without losing a request: first not ready, then no longer listening, then gone."""

import asyncio
import signal
from types import FrameType


class Draining:
    """Whether the process is about to stop.

    A proxy needs a moment to notice that a server is not ready, and sends it requests until then. So SIGTERM makes the
    process not ready at once, and uvicorn, which stops listening when it gets the signal, gets it later.
    """

    def __init__(self) -> None:
        self.active = False

    def begin_on_sigterm(self, delay_s: float) -> None:
        """Handle SIGTERM before uvicorn's own handler does; a second signal does not wait.

        Args:
            delay_s: seconds between the signal and uvicorn's stop, in which requests are still accepted.
        """
        stop = signal.getsignal(signal.SIGTERM)

        def handle(signum: int, frame: FrameType | None) -> None:
            if not callable(stop):
                raise TypeError(f"expected uvicorn's handler of SIGTERM, got {stop!r}")
            if self.active or not delay_s:
                stop(signum, frame)
            else:
                loop = asyncio.get_running_loop()  # the handler runs in the main thread, between two steps of the loop
                loop.call_soon_threadsafe(loop.call_later, delay_s, stop, signum, None)
            self.active = True

        signal.signal(signal.SIGTERM, handle)
