"""Measuring a model on labelled pictures, through the service's own tasks and the real Triton."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from model_export.own import one_execution
from model_export.own.measured import figures
from model_export.own.measured.figures import Found
from model_export.own.measured.labelled import Labelled, labelled_maps, labelled_pictures
from model_export.own.own_errors import OwnModelError
from oncoserve.prediction.model_files import read_cards
from oncoserve.tasks.card import Card, Figure

ASK_S: Final = 120.0
TIME_S: Final = 24 * 3600
MOST_PIXELS: Final = 100_000_000
CARD: Final = "card.json"
"""Of a figure that `measure` made, so that a later one on the same data takes its place."""
LEAST_PATIENTS: Final = 5
"""Of fewer no interval over patients says anything."""
MADE: Final = "Measured here by `oncoserve models measure`"


def measure(repository: Path, name: str, folder: Path, data: str, report: Callable[[str], None]) -> list[Figure]:
    """Measure a model, and write the figures into its card.

    Args:
        repository: Has the model's folder.
        name: The model's.
        folder: Labelled pictures: see `labelled`.
        data: What they are called on the card.
        report: Is told each step.

    Returns:
        The figures.

    Raises:
        OwnModelError: It cannot be measured, or nothing fits; the card stays as it was.
    """
    cards, problems = read_cards(repository)
    if name not in cards:
        there = ", ".join(sorted(cards)) or "none"
        raise OwnModelError(problems.get(name) or f"{repository} has no model {name!r}; there is: {there}")
    card = cards[name].newest
    pictures = _pictures(card, folder)
    patients = len({each.patient for each in pictures})
    if patients < LEAST_PATIENTS:
        raise OwnModelError(
            f"{folder} has pictures of {patients} patients; figures with an interval over patients need those of "
            f"{LEAST_PATIENTS} and more"
        )
    report(f"{name}: asking about {len(pictures)} pictures of {patients} patients")
    found = _ask(repository, name, pictures)
    new = [
        Figure(metric=each.metric, value=each.value, data=data, caveat=_caveat(each, len(pictures), patients))
        for each in (figures.of_maps(found, card) if card.task == "segmentation" else figures.of_classes(found, card))
    ]
    _write(repository / name / CARD, data, new)
    return new


def _pictures(card: Card, folder: Path) -> list[Labelled]:
    if not folder.is_dir():
        raise OwnModelError(f"{folder} is no folder")
    if card.task == "segmentation":
        return labelled_maps(folder)
    if card.task in {"classification", "localisation", "delineation"}:
        return labelled_pictures(folder, [each.name for each in card.classes])
    raise OwnModelError(f"A model of the task {card.task} is not measured here: its labels have no form yet")


def _ask(repository: Path, name: str, pictures: Sequence[Labelled]) -> list[Found]:
    """What the model says of each, by a Triton of its own."""
    asked = [{"path": str(each.path), "truth": each.truth, "patient": each.patient} for each in pictures]
    with one_execution.alone(repository, name) as (alone, work):
        (work / "pictures.json").write_text(json.dumps(asked))
        arguments = [str(alone), name, str(work / "pictures.json"), str(work / "answers.json")]
        one_execution.beside_triton(alone, work, ["model_export.own.measured.asked_pictures", *arguments], TIME_S)
        return [Found(**each) for each in json.loads((work / "answers.json").read_text())]


def _caveat(found: figures.Value, pictures: int, patients: int) -> str:
    over = f"{pictures} pictures" + (f" of {patients} patients" if patients != pictures else "")
    made = f"{MADE} on {datetime.now(UTC):%d %B %Y}, on {over}"
    return f"{made}; 95 % interval {found.low:.3g} to {found.high:.3g}{found.of}."


def _write(path: Path, data: str, new: Sequence[Figure]) -> None:
    """Put figures into a card; those of an earlier measuring on the same data go."""
    card: dict[str, Any] = json.loads(path.read_bytes())
    kept = [each for each in card["performance"] if each["data"] != data or not each["caveat"].startswith(MADE)]
    card["performance"] = [*kept, *(each.model_dump() for each in new)]
    Card.model_validate(card)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    temporary.replace(path)
