"""The service as `make run` starts it, on free ports, with folders and pipes that a harness can take away."""

import fcntl
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from loadtest.chaos.family_roles import by_role
from loadtest.shared.process_family import Family
from testbed.servers import WholeService
from testbed.tiny_models import write_classifier, write_localiser

MODELS: Final = ("tiny", "spotter")  # a classifier, and a localiser, of whose results something can be drawn
SMALL_PIPE_BYTES: Final = 4096
F_SETPIPE_SZ: Final = 1031  # linux/fcntl.h


class HurtService(WholeService):
    """The whole service, whose output goes through a pipe that can be left unread.

    Args:
        folder: Gets its logs and, in `data/`, its results, jobs and temporary files.
        environment: Variables beside the settings, such as LD_PRELOAD.
        repository: The models; left out, two tiny ones, MODELS, which are written into `folder`.
        settings: ONCO_* without the prefix, in lower case.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], repository: Path | None = None, **settings: object
    ) -> None:
        if repository is None:
            repository = folder / "models"
            write_classifier(repository, MODELS[0], size=64)
            write_localiser(repository, MODELS[1], size=64)
        self.results, self.temporary = folder / "data/results", folder / "data/tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        super().__init__(repository, folder, results_dir=self.results, **settings)
        self.env |= {"TMPDIR": str(self.temporary), **environment}
        self._read = threading.Event()
        self._read.set()
        self.starts = 0

    def start(self) -> None:
        """Start it and return at once."""
        reading, writing = os.pipe()
        fcntl.fcntl(writing, F_SETPIPE_SZ, SMALL_PIPE_BYTES)
        self.process = subprocess.Popen(  # noqa: S603 - ours
            self.argv, cwd=self.cwd, env=self.env, stdout=writing, stderr=writing, start_new_session=True
        )
        os.close(writing)
        self.starts += 1
        threading.Thread(target=self._drain, args=[reading], daemon=True).start()

    def leave_output_unread(self) -> None:
        """Nobody reads what it writes, until `read_output`."""
        self._read.clear()

    def read_output(self) -> None:
        """Read it again."""
        self._read.set()

    @property
    def ended(self) -> bool:
        """Whether its first process is gone."""
        return self.process is None or self.process.poll() is not None

    def pids(self, role: str) -> Sequence[int]:
        """The processes of a role at this moment."""
        return [] if self.ended else [process.pid for process in by_role(self.pid).get(role, [])]

    def _drain(self, reading: int) -> None:
        with self.log.open("ab", buffering=0) as log:
            while True:
                self._read.wait()
                data = os.read(reading, 65536)
                if not data:
                    os.close(reading)
                    return
                log.write(data)


class LivingFamily(Family):
    """The processes of a service, also of one that is started again.

    Args:
        service: Whose.
    """

    def __init__(self, service: HurtService) -> None:
        self._service = service

    def members(self) -> list[psutil.Process]:
        """All of them that are alive at this moment; none while the service has ended."""
        try:
            first = psutil.Process(self._service.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
