"""The first process of a container without an init: it buries what has lost its parent, and passes signals on."""

import os
import signal
from collections.abc import Mapping, Sequence

from supervision.stop_signals import STOP_SIGNALS

WATCHED = frozenset({*STOP_SIGNALS, signal.SIGCHLD})


def run_as_first(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command, and return its exit code when it has ended; the rest of the container ends with this process.

    What a killed process leaves behind falls to the first process. A supervisor waits for its own children alone, and
    the others would stay in the table of processes for ever.

    Args:
        argv: The command; its program is a path. It begins with stop signals blocked, so that none comes too early.
        env: Its environment.

    Raises:
        OSError: The command cannot be started.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)  # the kernel keeps no others for a first process
    command = os.posix_spawn(argv[0], list(argv), dict(env), setsigmask=STOP_SIGNALS)
    while True:
        number = signal.sigwait(WATCHED)
        if number != signal.SIGCHLD:
            os.kill(command, number)
        elif (code := _bury(command)) is not None:
            return code


def _bury(command: int) -> int | None:
    """Take note of all children that have ended; returns the command's exit code if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            found = 128 - code if code < 0 else code
