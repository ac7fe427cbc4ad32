"""Which tests share a process, and so servers; in which order they come; which of them have the machine alone."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

LOCKS = Path(__file__).resolve().parent.parent / "build"
# One process takes each of these as a whole, less what has an entry of its own; by and large the longest first, so that
# the last to end has little left to do. Tests of other folders are handed out by the file.
SUITES = (
    "tests/browser/",
    "tests/integration/faults/",
    "tests/integration/inference_server/",
    "tests/integration/jobs/",
    "tests/integration/frontend/",
    "tests/load/",
    "tests/integration/wheel/",
    "tests/aws/",
    "tests/hostile/",
    "tests/contract/",
    "tests/load/test_chaos.py",  # late, when nothing is left beside it that has to be right again within a bound
    "tests/integration/observability/",
    "tests/integration/cli/",
    "tests/integration/pacs/",
    "tests/compose/",
    "tests/meta/test_readme.py",
    "tests/unit/oncoserve/tasks/tissue/",
    "tests/unit/oncoserve/jobs/",
    "tests/unit/model_export/",
)


def place(path: str) -> int:
    """Where a test comes in the run, by its path or id: suites in their order, then everything else."""
    found = [number for number, suite in enumerate(SUITES) if path.startswith(suite)]
    return max(found, key=lambda number: len(SUITES[number]), default=len(SUITES))


class Suites(LoadScopeScheduling):
    """Hands out the tests of a suite, or of a file, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        number = place(nodeid)
        return SUITES[number] if number < len(SUITES) else nodeid.partition("::")[0]


@contextlib.contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until no test that is `alone` runs in another process or, `alone`, until no other test runs at all.

    Who waits to be alone keeps the gate shut, so that others do not go on overtaking it.
    """
    LOCKS.mkdir(exist_ok=True)
    with (LOCKS / "tests.gate").open("w") as gate, (LOCKS / "tests.lock").open("w") as lock:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # in words, since a process that a test forked may hold the file open
