"""Models that come into a repository, or leave it, while Triton serves from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONFIG: Final = "config.pbtxt"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a card can name."""
MOST_VERSION: Final = 2**63 - 1


@dataclass(frozen=True)
class Folder:
    """A model's folder.

    Attributes:
        files: Path, bytes and time of every file: others while somebody writes.
        versions: The numbers of its versions that have a file.
        fault: See `fault_of`.
    """

    files: frozenset[tuple[str, int, int]]
    versions: frozenset[str]
    fault: str


@dataclass(frozen=True)
class Changes:
    """What is to be done.

    Attributes:
        load: Models that are new, or that have other versions than before.
        unload: Models whose folder is gone.
        unfit: Folders that would be news, and why Triton cannot be given them.
    """

    load: tuple[str, ...] = ()
    unload: tuple[str, ...] = ()
    unfit: tuple[tuple[str, str], ...] = ()


def fault_of(folder: Path) -> str:
    """Why Triton cannot be given a folder: it would end, or its connections would. Empty if it can.

    Raises:
        OSError: It cannot be read.
    """
    if not NAME.fullmatch(folder.name):
        return "a model's name has 1 to 64 of A-Z, a-z, 0-9, _ . and -, and begins with a letter or digit"
    numbers = [each.name for each in folder.iterdir() if each.name.isdecimal()]
    large = next((each for each in numbers if int(each) > MOST_VERSION), "")
    return f"it has a version {large[:40]}, and the largest is {MOST_VERSION}" if large else ""


class RepositoryChanges:
    """Tells each change once, when the folders were the same at two looks: one may be on its way.

    Only which models and versions there are counts. Another file of a version does not: what is served stays what it
    was until somebody starts Triton again, as its answers say (docs/models.md). A refused model is told again when any
    of its files is another one.

    Args:
        repository: The folder of model folders.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._known: Mapping[str, Folder] = {}
        self._last: Mapping[str, Folder] = {}
        self._refused: set[str] = set()

    def begin(self) -> None:
        """Take what is there now as known: Triton is about to read it."""
        self._known = self._last = self._scan()

    def refused(self, model: str) -> None:
        """A model that was told could not be loaded as it is now."""
        self._refused.add(model)

    def look(self) -> Changes:
        """What has changed since it was told last. Reads folders; called from a thread."""
        now, before = self._scan(), self._last
        self._last = now
        if now != before or not now:  # without any model it is the disk that is away
            return Changes()
        news = sorted(name for name, folder in now.items() if self._is_news(name, folder))
        load = tuple(name for name in news if not now[name].fault)
        unload = tuple(sorted(set(self._known) - set(now)))
        self._known = now
        self._refused -= {*news, *unload}
        return Changes(load, unload, tuple((name, now[name].fault) for name in news if now[name].fault))

    def _is_news(self, name: str, folder: Folder) -> bool:
        known = self._known.get(name)
        if known is None or known.versions != folder.versions:
            return True
        return name in self._refused and known.files != folder.files

    def _scan(self) -> Mapping[str, Folder]:
        """Every folder that has a configuration and a version with a file in it."""
        found = {}
        try:
            for folder in self._repository.iterdir():
                if not folder.name.startswith(".") and (folder / CONFIG).is_file():
                    paths = [path for path in folder.rglob("*") if path.is_file()]
                    parts = [(path.relative_to(folder).parts, path.stat()) for path in paths]
                    files = frozenset(("/".join(where), about.st_size, about.st_mtime_ns) for where, about in parts)
                    versions = frozenset(where[0] for where, _ in parts if len(where) > 1 and where[0].isdecimal())
                    if versions:
                        found[folder.name] = Folder(files, versions, fault_of(folder))
        except OSError:  # something went away in between: the next look sees it
            return self._last
        return found
