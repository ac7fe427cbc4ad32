"""Workers that are killed, and started again."""

import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

STOP_S: Final = 60.0


class Workers:
    """Processes that are started again whenever they end.

    Args:
        count: how many.
        environment: ONCO_* for them.
        log: the file that gets their output.
    """

    def __init__(self, count: int, environment: Mapping[str, str], log: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ONCO_")}
        self._environment = {**inherited, **environment}
        self._log = log
        self._running: list[subprocess.Popen[bytes]] = []
        self._count = count
        self.killed = self.died = 0

    def keep(self) -> None:
        """Start what is missing."""
        alive = [process for process in self._running if process.poll() is None]
        self.died += len(self._running) - len(alive)
        with self._log.open("ab") as log:
            while len(alive) < self._count:
                command = [sys.executable, "-m", "loadtest.jobs.poisoned_worker"]
                alive.append(subprocess.Popen(command, env=self._environment, stdout=log, stderr=log))  # noqa: S603 - ours
        self._running = alive

    def kill(self, chance: random.Random) -> None:
        """SIGKILL to one of them."""
        self.keep()
        victim = chance.choice(self._running)
        victim.kill()
        victim.wait()
        self._running.remove(victim)
        self.killed += 1

    def stop(self) -> None:
        """SIGTERM to all, and wait; SIGKILL to who does not end."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
