"""A server of somebody else, started and ended with everything it starts."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from loadtest.shared.process_family import Family
from testbed.servers import Server

_STOP_S: Final = 15.0


class Peer(Server):
    """A server in a session of its own, which ends as a whole, however its workers were started.

    Args:
        argv: The command, run in `folder`.
        ready_url: Ready when GET answers 200.
        env: Variables beside the ones of this process.
        folder: Gets its log and what it writes.
    """

    def __init__(self, argv: Sequence[str], ready_url: str, env: Mapping[str, str], folder: Path) -> None:
        super().__init__(argv, ready_url, env, folder / "peer.log")
        self._folder = folder

    def start(self) -> None:
        """Start it and return at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - a peer of this project
                self.argv, cwd=self._folder, env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def stop(self, signum: int = signal.SIGTERM, timeout_s: float = _STOP_S) -> int:
        """Ask it to end, and after `timeout_s` seconds kill what is left of it."""
        started = self._started()
        members = Family(started.pid).members() if started.poll() is None else []
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signum)
        _, alive = psutil.wait_procs(members, timeout_s)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return started.wait()
