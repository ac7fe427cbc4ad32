"""Worker processes beside the frontend, started again when they end."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

CHECK_S = 0.5
RESTART_S = 1.0  # a process that cannot start at all must not be tried all the time
KILL_AFTER_S = 5.0  # beyond the grace that the worker itself keeps


@contextlib.contextmanager
def workers(count: int, grace_s: float) -> Iterator[None]:
    """Keep so many worker processes running for the length of the block.

    Args:
        count: number of processes; 0 for none.
        grace_s: what images under way get at the end.
    """
    stop = threading.Event()
    # A child that starts after its parent has gone must notice that too, so it is told whose it is.
    command = [sys.executable, "-m", "oncoserve", "worker", "--parent", str(os.getpid())]
    keepers = [threading.Thread(target=_keep, args=[command, stop, grace_s]) for _ in range(count)]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        stop.set()
        for keeper in keepers:
            keeper.join()


def _keep(command: Sequence[str], stop: threading.Event, grace_s: float) -> None:
    while not stop.is_set():
        # In a session of its own, since Ctrl-C is for the frontend, which then ends its workers in order.
        process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own
        while process.poll() is None and not stop.wait(CHECK_S):
            pass
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(grace_s + KILL_AFTER_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return
        stop.wait(RESTART_S)
