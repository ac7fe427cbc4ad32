"""What is known of a run, on disk at every moment: whenever the client ends, the next one goes on from there."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from client.errors import UsageError

FILE = "state.json"
VERSION = 1


@dataclass
class Outcome:
    """How a picture ended. `result` is the id of its result, `code` and `detail` say why there is none."""

    state: Literal["SUCCEEDED", "FAILED"]
    result: str | None = None
    code: str | None = None
    detail: str | None = None


@dataclass
class Attempt:
    """A job that is being handed in: written down before, so that one made without our hearing of it can be found.

    Args:
        pictures: sha256 by name, in the order sent.
        after: the newest job before this one, as {id, created}; None where there was none.
    """

    pictures: dict[str, str]
    after: dict[str, str] | None


@dataclass
class State:
    """All of it.

    Args:
        run: folder, service, model and parameters, which a run that goes on has to share.
        jobs: by job id, the pictures in the order of the job's images: sha256 of what was sent, by name.
        done: pictures that have ended, with their files written where they have any.
        attempt: the job that is being handed in.
    """

    run: dict[str, Any]
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    done: dict[str, Outcome] = field(default_factory=dict)
    attempt: Attempt | None = None

    def sent(self) -> dict[str, str]:
        """The pictures that are in a job: sha256 by name."""
        return {name: sha256 for pictures in self.jobs.values() for name, sha256 in pictures.items()}

    def save(self, out: Path) -> None:
        """Write it to the disk, aside and renamed."""
        write(out / FILE, json.dumps({"version": VERSION, **asdict(self)}, indent=1).encode())


def load(out: Path, run: dict[str, Any]) -> State:
    """The state of the run in a folder, a new one in an empty folder.

    Raises:
        UsageError: the folder has something else in it, another run's state, or a damaged one.
    """
    path = out / FILE
    if not path.exists():
        if any(not each.name.startswith(".") for each in out.iterdir()):
            raise UsageError(f"{out} has files in it that are not a run's; choose an empty or a new folder with --out.")
        return State(run)
    try:
        given = json.loads(path.read_bytes())
        state = State(
            given["run"],
            given["jobs"],
            {name: Outcome(**each) for name, each in given["done"].items()},
            given["attempt"] and Attempt(**given["attempt"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read ({error!r}); choose another folder with --out.") from error
    for what, value in run.items():
        if state.run.get(what) != value:
            raise UsageError(
                f"{out} is of a run with another {what}: {state.run.get(what)!r}, now {value!r}. "
                "Choose another folder with --out."
            )
    return state


LOCK = ".lock"


@contextmanager
def lock(out: Path) -> Iterator[None]:
    """Keep the folder from a second client at the same time; the system lets go of it however this one ends.

    Raises:
        UsageError: there is one.
    """
    with (out / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"Another client is at work on {out}.") from error
        yield


def write(path: Path, data: bytes) -> None:
    """Write a file aside and rename it: whole or not at all, whenever the power goes."""
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
