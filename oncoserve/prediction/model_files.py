"""What the folders of a model repository say: the cards, and which graph of which weights is served."""

import hashlib
import json
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


def served_file(model_repository: Path, model: str, version: str, name: str) -> ServedFile:
    """What the export's record says of the file `name`; without a record, the SHA-256 of the file itself."""
    folder = model_repository / model / version
    try:
        record = json.loads((folder / "export.json").read_bytes())
        file, source = record["files"][name], record.get("source")
        weights = Weights(f"{source['package']} {source['version']}", str(source["sha256"])) if source else None
        return ServedFile(str(file["sha256"]), str(file["precision"]), weights)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        with (folder / name).open("rb") as file:
            return ServedFile(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return ServedFile()
