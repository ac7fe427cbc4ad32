"""Works on what the listener has received, until stopped: nothing leaves the spool before it is done or refused."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from oncoserve.cli.client.client_errors import ClientError, Unreachable
from oncoserve.cli.pacs.carrying import Carrier, ImageRefused, Output
from oncoserve.cli.pacs.dicomweb_archive import ArchiveRefused
from oncoserve.cli.pacs.spool import Spool
from oncoserve.cli.pacs.tally import Tally

TRIES: Final = 10
"""Of a file whose outputs are not taken; with the waits in between some 40 minutes."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
LOOK_S: Final = 5.0


class SpoolWorker:
    """Works.

    Args:
        spool: has the files.
        carrier: asks about one.
        store: takes an object.
        tell: gets the words for whoever runs it.
    """

    def __init__(
        self, spool: Spool, carrier: Carrier, store: Callable[[bytes], None], tell: Callable[[str], object]
    ) -> None:
        self._spool, self._carrier, self._store, self._tell = spool, carrier, store, tell
        self._tries: dict[Path, int] = {}
        self._again_s: dict[Path, float] = {}

    def run(self, tally: Tally, alive: Callable[[], object]) -> None:
        """Go on for ever.

        Args:
            tally: counts.
            alive: called now and then.
        """
        while True:
            self._spool.sealed.clear()
            before = tally.asked + tally.failures
            due = [path for path in self._spool.ready() if time.monotonic() >= self._again_s.get(path, 0)]
            for path in due:
                alive()
                if not self._work(path, tally):
                    break
            alive()
            if due and tally.asked + tally.failures > before:
                self._tell(tally.words())
            self._spool.sealed.wait(LOOK_S)

    def _work(self, path: Path, tally: Tally) -> bool:
        """Work on a file, and tell whether the next may come now: not where nobody can be reached."""

        def deliver(output: Output) -> bool:
            self._store(output.file)
            return True

        try:
            self._carrier.carry(path.read_bytes(), deliver, tally)
        except ImageRefused as error:
            tally.refused[error.code] += 1
        except ArchiveRefused as error:
            if not self._give_up(path):
                return True
            tally.lost[error.reason] += 1
        except ClientError as error:
            self._tell(f"{error} What is received is kept, and tried again.")
            self._later(path)
            return not isinstance(error, Unreachable)
        tally.images += 1
        self._forget(path)
        self._spool.remove(path)
        return True

    def _give_up(self, path: Path) -> bool:
        self._tries[path] = self._tries.get(path, 0) + 1
        self._later(path)
        return self._tries[path] >= TRIES

    def _later(self, path: Path) -> None:
        wait_s = min(FIRST_WAIT_S * 2 ** self._tries.get(path, 0), LONGEST_WAIT_S)
        self._again_s[path] = time.monotonic() + wait_s

    def _forget(self, path: Path) -> None:
        self._tries.pop(path, None)
        self._again_s.pop(path, None)
