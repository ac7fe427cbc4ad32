"""Versions of a model that was added: another one takes over when it is ready, and the one before comes back.

At every moment the folder is one that can be read: each step alone is atomic, and what a version's own card says stands
above what the model's says.
"""

import json
import os
from pathlib import Path
from typing import Final

from model_export.export_files import newest_version
from model_export.own.bounded.work_folder import work_folder
from model_export.own.own_errors import OwnModelError
from oncoserve.prediction.model_files import CARD, read_cards

CONFIG: Final = "config.pbtxt"
RECORD: Final = "export.json"


def next_version(folder: Path) -> str:
    """The number that another version of a model gets.

    Raises:
        OwnModelError: The model was not added by this command.
    """
    newest = newest_version(folder)
    if not was_added(newest):
        raise OwnModelError(f"{folder} was not made by `oncoserve models add`: give the model another --name")
    return str(int(newest.name) + 1)


def was_added(version: Path) -> bool:
    """Whether `oncoserve models add` made it."""
    try:
        found = json.loads((version / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "given" in found


def put_in(made: Path, target: Path, version: str) -> None:
    """Put a version beside the others of a model; it is the newest from then on.

    Args:
        made: A whole folder of the model with this version alone, on the same disk.
        target: The model's folder.
        version: Its number.

    Raises:
        OwnModelError: Its tensors are others than those of the versions before.
    """
    if tensors(made / CONFIG) != tensors(target / CONFIG):
        raise OwnModelError(
            f"Version {version} would have other tensors or another batch than those before: give it another --name"
        )
    own = made / version
    for name in (CARD, "labels.txt"):
        if (made / name).is_file():
            os.replace(made / name, own / name)  # noqa: PTH105 - as below
    older = newest_version(target)
    card = read_cards(target.parent)[0][target.name].of(older.name)
    _write(older / CARD, card.model_dump_json(indent=2, exclude_defaults=True))
    os.rename(own, target / version)  # noqa: PTH104 - fails where somebody else was first
    _write(target / CARD, (target / version / CARD).read_text())


def roll_back(repository: Path, name: str) -> tuple[str, str]:
    """Take the newest version of a model away; the one before answers again.

    Returns:
        The version that is gone, and the one that is the newest now.

    Raises:
        OwnModelError: There is no such model, or no version before.
    """
    cards, problems = read_cards(repository)
    if name not in cards:
        there = ", ".join(sorted(cards)) or "none"
        raise OwnModelError(problems.get(name) or f"{repository} has no model {name!r}; there is: {there}")
    folder = repository / name
    numbers = sorted((each.name for each in folder.iterdir() if each.name.isdecimal()), key=int)
    if len(numbers) < 2:  # noqa: PLR2004 - one to go and one to stay
        raise OwnModelError(f"{name} has version {numbers[0]} alone: there is none to go back to")
    *_, older, newest = numbers
    if not was_added(folder / newest):
        raise OwnModelError(f"Version {newest} of {name} was not made by `oncoserve models add`: take it away yourself")
    card = cards[name].of(older)
    _write(folder / CARD, card.model_dump_json(indent=2, exclude_defaults=True))
    with work_folder(repository, "removing") as away:
        (folder / newest).rename(away / newest)
    return newest, older


def tensors(config: Path) -> list[str]:
    """What a configuration says of inputs, outputs and the batch."""
    wanted = ("input", "output", "max_batch_size")
    return [line for line in config.read_text().splitlines() if line.startswith(wanted)]


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    temporary.replace(path)
