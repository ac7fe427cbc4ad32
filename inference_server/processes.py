"""Child processes that end with their parent, and signals that are waited for instead of handled.

Signals are blocked and then taken one at a time with sigtimedwait: no handler runs in the middle of anything, and a
Ctrl-C can never become a traceback.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)


class StopRequestedError(Exception):
    """Somebody asked the launcher to end: Ctrl-C, SIGTERM, or the terminal was closed."""


def block_signals() -> None:
    """Keep stop signals and the deaths of children pending until `wait_for_event` takes them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS | {signal.SIGCHLD})


def wait_for_event(timeout_s: float) -> None:
    """Sleep until a child changed its state, but not longer than `timeout_s` seconds.

    Raises:
        StopRequestedError: A stop signal came.
    """
    event = signal.sigtimedwait(STOP_SIGNALS | {signal.SIGCHLD}, timeout_s)
    if event is not None and event.si_signo in STOP_SIGNALS:
        raise StopRequestedError(signal.Signals(event.si_signo).name)


class Child:
    """A child in a process group of its own.

    The group keeps a terminal's Ctrl-C from reaching the child directly: the launcher alone decides the order in which
    children end. If the launcher is killed, the kernel sends the child SIGTERM.

    Args:
        argv: The command.
        env: Its environment.
        cwd: Its working directory; None means the launcher's.
        output: An open file for both of its outputs; None means the launcher's own.

    Raises:
        OSError: The command cannot be executed.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None = None, output: IO[bytes] | None = None
    ) -> None:
        launcher = os.getpid()

        def tie_to_launcher() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != launcher:  # killed before prctl could see it
                os._exit(1)

        self._process = subprocess.Popen(  # noqa: S603 - the user's own command; preexec_fn: no threads here
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            process_group=0,
            preexec_fn=tie_to_launcher,  # noqa: PLW1509
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; death by signal n is 128 + n, as in a shell."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def stop(self, grace_s: float) -> None:
        """End it with SIGTERM, after `grace_s` seconds with SIGKILL, and whatever it left in its group with SIGKILL."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        with contextlib.suppress(ProcessLookupError):  # most leave no process behind
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
