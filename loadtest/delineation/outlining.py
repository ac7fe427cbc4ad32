"""Slices with outlines, what the service says of them, and how much of it is right."""

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from training.figures.graph_answers import dice_of
from training.figures.scores import ACCURACY_OF_ALL, calibration_error, figures_of

MODEL: Final = "brain_tumour"
AT_ONCE: Final = 8
NO_TUMOUR: Final = ""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """A picture and what is known of it.

    Attributes:
        path: of the picture.
        label: the class, or NO_TUMOUR.
        group: the patient, or the cluster of near-duplicates.
        outline: corners as fractions of the picture; empty without a tumour.
    """

    path: Path
    label: str
    group: str
    outline: tuple[tuple[float, float], ...]

    def mask(self, width: int, height: int) -> Mask:
        """(height, width): where the tumour is."""
        drawn = Image.new("1", (width, height))
        if self.outline:
            ImageDraw.Draw(drawn).polygon([(x * width, y * height) for x, y in self.outline], fill=1)
        return np.asarray(drawn)


@dataclass(frozen=True)
class SliceAnswer:
    """What the service said of a slice, beside what is so.

    Attributes:
        label: the class, or None where it names none.
        likeliest: the most probable class, named or not; None where no probabilities are given.
        probability: of that class; 0 where none are given.
        on_tumour: whether the peak lies on the tumour; false where no peak is given.
        dice: of the outline and the true one; 0 where none is given.
    """

    label: str | None
    likeliest: str | None
    probability: float
    on_tumour: bool
    dice: float

    @classmethod
    def of(cls, document: Mapping[str, Any], mask: Mask, truth: Mask) -> "SliceAnswer":
        """Compare a result and its mask with the truth, both (height, width) of the picture."""
        probabilities = document["probabilities"]
        likeliest = max(probabilities, key=probabilities.get) if probabilities else None
        on_tumour = False
        if document["localisation"]:
            peak = document["localisation"]["peak"]
            row, column = min(int(peak["y"]), len(truth) - 1), min(int(peak["x"]), truth.shape[1] - 1)
            on_tumour = bool(truth[row, column])
        probability = probabilities[likeliest] if likeliest else 0.0
        return cls(document["label"], likeliest, probability, on_tumour, dice_of(mask, truth))


def read_slices(folder: Path) -> list[Slice]:
    """Every row of slices.tsv, and of no_tumour_clusters.tsv if it is there."""
    slices = []
    for row in _rows(folder / "slices.tsv"):
        corners = tuple(tuple(float(part) for part in corner.split(",")) for corner in row["outline"].split())
        label = row["class"] if corners else NO_TUMOUR
        slices.append(Slice(folder / row["file"], label, row["patient"], tuple((x, y) for x, y in corners)))
    known = {each.path for each in slices}
    clusters = folder / "no_tumour_clusters.tsv"
    rows = _rows(clusters) if clusters.exists() else []
    spare = [Slice(folder / row["file"], NO_TUMOUR, row["cluster"], ()) for row in rows]
    return slices + [each for each in spare if each.path not in known]


async def ask(url: str, slices: Sequence[Slice]) -> list[SliceAnswer]:
    """Ask about every slice, a few at once.

    Raises:
        httpx.HTTPStatusError: an answer other than 200.
    """
    answers: list[SliceAnswer | None] = [None] * len(slices)
    turns = iter(enumerate(slices))
    async with httpx.AsyncClient(base_url=url, timeout=60) as client, asyncio.TaskGroup() as group:

        async def work() -> None:
            for place, each in turns:
                response = await client.post(f"/v1/models/{MODEL}/predict", content=each.path.read_bytes())
                document = response.raise_for_status().json()
                drawn = (await client.get(document["links"]["mask"])).raise_for_status()
                mask = np.asarray(Image.open(io.BytesIO(drawn.content))) > 0
                answers[place] = SliceAnswer.of(document, mask, each.mask(mask.shape[1], mask.shape[0]))

        for _ in range(AT_ONCE):
            group.create_task(work())
    return [answer for answer in answers if answer is not None]


async def named(url: str, pictures: Sequence[Path]) -> list[bool]:
    """Whether each picture gets a class; one that the service refuses gets none.

    Raises:
        httpx.HTTPStatusError: an answer of 500 or more.
    """
    found = []
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for path in pictures:
            response = await client.post(f"/v1/models/{MODEL}/predict", content=path.read_bytes())
            if response.is_server_error:
                response.raise_for_status()
            found.append(response.is_success and response.json()["label"] is not None)
    return found


def calibration(slices: Sequence[Slice], answers: Sequence[SliceAnswer]) -> float | None:
    """Expected calibration error over the slices with a tumour that got probabilities; None where none did."""
    pairs = [(asked, said) for asked, said in zip(slices, answers, strict=True) if asked.label != NO_TUMOUR]
    given = [(said.probability, said.likeliest == asked.label) for asked, said in pairs if said.likeliest]
    if not given:
        return None
    highest, right = zip(*given, strict=True)
    return calibration_error(np.array(highest), np.array(right))


def per_slice(slices: Sequence[Slice], answers: Sequence[SliceAnswer]) -> dict[str, npt.NDArray[np.float64]]:
    """Each figure slice by slice; NaN where a slice has no say in it."""
    pairs = list(zip(slices, answers, strict=True))
    found = figures_of(
        tumour=np.array([asked.label != NO_TUMOUR for asked, _ in pairs]),
        answered=np.array([said.label is not None for _, said in pairs]),
        right=np.array([said.likeliest == asked.label for asked, said in pairs]),
        peak=np.array([said.on_tumour for _, said in pairs]),
        overlap=np.array([said.dice for _, said in pairs]),
    )
    del found[ACCURACY_OF_ALL]  # a caller gets no probabilities of a slice in which nothing is seen
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
