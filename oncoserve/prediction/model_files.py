"""What the folders of a model repository say: the cards, and which graph of which weights is served."""

import hashlib
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from oncoserve.tasks.card import Card, Weights


def read_cards(model_repository: Path) -> tuple[dict[str, Card], dict[str, str]]:
    """Read every card below a model repository.

    Returns:
        The cards by model name, and for folders without a usable card the reason in words.
    """
    cards: dict[str, Card] = {}
    problems: dict[str, str] = {}
    if not model_repository.is_dir():
        return cards, {str(model_repository): "the model repository is not a folder"}
    for folder in sorted(path for path in model_repository.iterdir() if path.is_dir()):
        try:
            card = Card.model_validate_json((folder / "card.json").read_bytes())
        except OSError:
            problems[folder.name] = "card.json: expected a readable file, got none"
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            problems[folder.name] = f"card.json: {where}: {first['msg']}"
        else:
            if card.name == folder.name:
                cards[card.name] = card
            else:
                problems[folder.name] = f"card.json: expected name {folder.name!r}, got {card.name!r}"
    return cards, problems


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
            record = json.loads((folder / "export.json").read_bytes())
            recorded, source = record["files"][file], record.get("source")
            weights = Weights(f"{source['package']} {source['version']}", str(source["sha256"])) if source else None
            found = ServedFile(str(recorded["sha256"]), str(recorded["precision"]), weights)
        except (OSError, ValueError, KeyError, TypeError):
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
        ValueError: they differ; says where first.
    """
    name = labels or "labels.txt"
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
