"""What the folders of a model repository say: the cards, and which graph of which weights is served."""

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from oncoserve.tasks.card import Card, Weights

CARD = "card.json"


@dataclass(frozen=True)
class Cards:
    """What is said of a model, by its versions.

    Attributes:
        newest: its card.
        of_versions: of the versions that differ from it.
    """

    newest: Card
    of_versions: Mapping[str, Card] = field(default_factory=dict)

    def of(self, version: str) -> Card:
        """The card of a version."""
        return self.of_versions.get(version, self.newest)


def read_cards(model_repository: Path) -> tuple[dict[str, Cards], dict[str, str]]:
    """Read every card below a model repository.

    Returns:
        The cards by model name, and for folders without a usable card the reason in words.
    """
    cards: dict[str, Cards] = {}
    problems: dict[str, str] = {}
    if not model_repository.is_dir():
        return cards, {str(model_repository): "the model repository is not a folder"}
    for folder in sorted(path for path in model_repository.iterdir() if path.is_dir()):
        try:
            cards[folder.name] = _cards(folder)
        except ValueError as error:
            problems[folder.name] = str(error)
    return cards, problems


def _cards(folder: Path) -> Cards:
    """The cards of a model.

    Raises:
        ValueError: one of them cannot be used; says which, and why.
    """
    try:
        content = _read(folder / CARD)
    except OSError:
        raise ValueError(f"{CARD}: expected a readable file, got none") from None
    newest = _card(content, CARD, folder.name)
    of_versions = {}
    for path in sorted(folder.glob(f"[0-9]*/{CARD}")):
        where = f"{path.parent.name}/{CARD}"
        try:
            others = json.loads(_read(path))
            merged = json.dumps({**json.loads(content), **others})
        except (OSError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{where}: expected the fields that are others than in {CARD}, got {error}") from error
        of_versions[path.parent.name] = _card(merged, where, folder.name)
    return Cards(newest, of_versions)


def _read(path: Path) -> bytes:
    """A file's content.

    Raises:
        OSError: It cannot be read, or is none: whoever reads from a pipe waits for ever, and every model with it.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    return path.read_bytes()


def _card(content: bytes | str, path: str, name: str) -> Card:
    try:
        card = Card.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ValueError(f"{path}: {where}: {first['msg']}") from error
    if card.name != name:
        raise ValueError(f"{path}: expected name {name!r}, got {card.name!r}")
    return card


@dataclass(frozen=True)
class ServedFile:
    """The graph that is served: its SHA-256, its precision and its weights, each None if that is unknown."""

    sha256: str | None = None
    precision: str | None = None
    weights: Weights | None = None


class Graphs:
    """Says which graph is served, and hashes no file twice that has not changed."""

    def __init__(self) -> None:
        self._hashes: dict[Path, tuple[tuple[int, ...], str]] = {}

    def served(self, folder: Path, file: str, served_sha256: str | None) -> ServedFile:
        """What is known of the graph that is served. Reads files; called from a thread.

        Args:
            folder: of the model's version.
            file: the graph's name in it.
            served_sha256: what the server itself says that it serves. Where it cannot tell, the file counts as served,
                and where there is no file either, what the export's record says of it.

        Raises:
            ValueError: the record is of another graph.
        """
        sha256 = served_sha256 or self._hash(folder / file)
        try:
            record = json.loads(_read(folder / "export.json"))
            recorded, source = record["files"][file], record.get("source")
            weights = Weights(f"{source['package']} {source['version']}", str(source["sha256"])) if source else None
            found = ServedFile(str(recorded["sha256"]), str(recorded["precision"]), weights)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ServedFile(sha256)
        if sha256 not in (None, found.sha256):
            raise ValueError(
                f"{folder.name}/{file}: expected the graph that export.json records, sha256 {found.sha256}, "
                f"got one with {sha256}"
            )
        return found

    def _hash(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                known = self._hashes.get(path)
                if known is None or known[0] != signature:
                    known = self._hashes[path] = signature, hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        return known[1]


def check_labels(model_folder: Path, version: str, labels: str, card: Card) -> None:
    """Compare the card's classes, by name and order, with the file that names the model's outputs, if there is one.

    Args:
        model_folder: has the file, or the version's folder in it has it.
        version: the version that is served.
        labels: the file's name in the model's configuration; empty stands for labels.txt.
        card: the model's.

    Raises:
        ValueError: they differ, which says where first, or the file is elsewhere.
    """
    name = labels or "labels.txt"
    if Path(name).name != name:
        raise ValueError(f"config.pbtxt: expected label_filename to be a file of the model's own folder, got {name!r}")
    paths = (model_folder / version / name, model_folder / name)
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return
    found = [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    expected = [each.name for each in card.classes]
    for place, (ours, theirs) in enumerate(itertools.zip_longest(expected, found), start=1):
        if ours != theirs:
            raise ValueError(
                f"card.json: expected class {place} to be {theirs or 'none'} as in {name}, got {ours or 'none'}"
            )
