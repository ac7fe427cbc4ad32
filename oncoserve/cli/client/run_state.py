"""What is known of a run, on disk at every moment: whenever the client ends, the next one goes on from there."""

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.runtime.files import write_whole

FILE = "state.jsonl"
VERSION = 1


@dataclass
class Ending:
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
class RunState:
    """All of it, in memory and as a journal: a line a change, since a file written anew would grow with the run.

    Args:
        run: folder, service, model and parameters, which a run that goes on has to share.
        path: the journal.
        jobs: by job id, the pictures in the order of the job's images: sha256 of what was sent, by name.
        job_of: the job that counts for a picture; an earlier one does not, once the picture is to be sent again.
        done: pictures that have ended, with their files written where they have any.
        attempt: the job that is being handed in.
    """

    run: dict[str, Any]
    path: Path
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    job_of: dict[str, str] = field(default_factory=dict)
    done: dict[str, Ending] = field(default_factory=dict)
    attempt: Attempt | None = None

    def sent(self) -> dict[str, str]:
        """The pictures that are in a job: sha256 by name."""
        return {name: self.jobs[job][name] for name, job in self.job_of.items()}

    def note_attempt(self, attempt: Attempt | None) -> None:
        """A job is about to be handed in; None: it was not made."""
        self._note({"attempt": attempt and asdict(attempt)})

    def note_job(self, job: str, pictures: Mapping[str, str]) -> None:
        """The job was made."""
        self._note({"job": job, "pictures": dict(pictures)})

    def note_done(self, endings: Mapping[str, Ending]) -> None:
        """These pictures have ended."""
        self._note({"done": {name: asdict(each) for name, each in endings.items()}})

    def note_again(self, names: Collection[str]) -> None:
        """These pictures are to be sent anew, whatever came of them."""
        if names:
            self._note({"again": sorted(names)})

    def _note(self, change: dict[str, Any]) -> None:
        self.apply(change)
        if not self.path.exists():
            write_whole(self.path, _line({"version": VERSION, "run": self.run}), durable=True)
        with self.path.open("ab") as file:
            file.write(_line(change))
            file.flush()
            os.fsync(file.fileno())

    def apply(self, change: dict[str, Any]) -> None:
        """Take a change that is in the journal."""
        if "job" in change:
            self.jobs[change["job"]], self.attempt = change["pictures"], None
            self.job_of |= dict.fromkeys(change["pictures"], change["job"])
        elif "done" in change:
            self.done |= {name: Ending(**each) for name, each in change["done"].items()}
        elif "again" in change:
            for name in change["again"]:
                self.job_of.pop(name, None)
                self.done.pop(name, None)
        else:
            self.attempt = change["attempt"] and Attempt(**change["attempt"])


def _line(change: dict[str, Any]) -> bytes:
    return json.dumps(change).encode() + b"\n"


def load(out: Path, run: dict[str, Any]) -> RunState:
    """The state of the run in a folder, a new one in an empty folder.

    Raises:
        UsageError: the folder has something else in it, another run's state, or a damaged one.
    """
    state = RunState(run, out / FILE)
    if not state.path.exists():
        if any(not each.name.startswith(".") for each in out.iterdir()):
            raise UsageError(f"{out} has files in it that are not a run's; choose an empty or a new folder with --out.")
        return state
    *lines, cut_off = state.path.read_bytes().split(b"\n")
    try:
        head, *changes = map(json.loads, lines)
        known = {**head["run"], "version": head["version"]}
        for change in changes:
            state.apply(change)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{state.path} cannot be read ({error!r}); choose another folder with --out.") from error
    for what, value in {**run, "version": VERSION}.items():
        if known.get(what) != value:
            raise UsageError(
                f"{out} is of a run with another {what}: {known.get(what)!r}, now {value!r}. "
                "Choose another folder with --out."
            )
    if cut_off:  # a change that was being written when the client was killed; it did not count yet
        write_whole(state.path, b"".join(line + b"\n" for line in lines), durable=True)
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
