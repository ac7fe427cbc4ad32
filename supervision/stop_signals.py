"""The signals that ask a process to end, as an event."""

import asyncio
import signal
from collections.abc import Callable

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_requested() -> asyncio.Event:
    """An event of the running loop that a stop signal sets: Ctrl-C, SIGTERM, or a terminal that was closed.

    Signals that were blocked until now, so that none could come too early, are taken.
    """
    event = asyncio.Event()
    on_stop_signals(lambda _: event.set())
    return event


def on_stop_signals(then: Callable[[int], object]) -> None:
    """Call a function in the running loop with the number of each stop signal, as `stop_requested` does with one."""
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, then, number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def block_stop_signals() -> None:
    """Let stop signals wait until `stop_requested` takes them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
