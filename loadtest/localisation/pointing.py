"""Slices with boxes, what the service says of them, and how much of it is right."""

import asyncio
import csv
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

MODEL: Final = "brain_tumour"
AT_ONCE: Final = 8


@dataclass(frozen=True)
class Box:
    """Corners as fractions of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Of the whole picture's 1; 0 where the corners are the wrong way round."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def iou(self, other: "Box") -> float:
        """The area of both together over that of either, 0 to 1."""
        shared = Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        ).area
        either = self.area + other.area - shared
        return shared / either if either else 0.0


@dataclass(frozen=True)
class Slice:
    """A picture, its class, and the tumour's box where it has one."""

    path: Path
    label: str
    box: Box | None


@dataclass(frozen=True)
class SliceAnswer:
    """What the service said of a picture; the place in fractions of it."""

    label: str | None
    peak: tuple[float, float]
    box: Box | None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "SliceAnswer":
        """Read a result; one that says nothing of a place points outside of the picture."""
        if document["localisation"] is None:
            return cls(document["label"], (-1, -1), None)
        width, height = document["image"]["width"], document["image"]["height"]
        place, peak = document["localisation"]["box"], document["localisation"]["peak"]
        box = None
        if place:
            left, top = place["x"] / width, place["y"] / height
            box = Box(left, top, left + place["width"] / width, top + place["height"] / height)
        return cls(document["label"], (peak["x"] / width, peak["y"] / height), box)


def read_slices(folder: Path) -> list[Slice]:
    """Every row of boxes.tsv."""
    found = []
    with (folder / "boxes.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            box = None
            if row["centre_x"]:
                x, y, width, height = (float(row[name]) for name in ("centre_x", "centre_y", "width", "height"))
                box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            found.append(Slice(folder / row["file"], row["class"], box))
    return found


def figures(slices: Sequence[Slice], answers: Sequence[SliceAnswer]) -> dict[str, float]:
    """What was right, as fractions; an answer without a box has an IoU of 0.

    Args:
        slices: At least one with a tumour.
        answers: To each of them.
    """
    pairs = list(zip(slices, answers, strict=True))
    tumours = [(box, asked, said) for asked, said in pairs if (box := asked.box) is not None]
    others = [said.label == asked.label for asked, said in pairs if asked.box is None]
    found = {
        "class accuracy among tumours": statistics.fmean(said.label == asked.label for _, asked, said in tumours),
        "peak inside the box": statistics.fmean(box.holds(*said.peak) for box, _, said in tumours),
        "mean IoU of the box": statistics.fmean(said.box.iou(box) if said.box else 0 for box, _, said in tumours),
        "tumours without a box": statistics.fmean(said.box is None for *_, said in tumours),
    }
    if others:
        found["no tumour, recall (other source: not to be trusted)"] = statistics.fmean(others)
    return found


async def ask(url: str, slices: Sequence[Slice]) -> list[SliceAnswer]:
    """Ask about every picture, a few at once.

    Raises:
        httpx.HTTPStatusError: an answer other than 200.
    """
    answers: list[SliceAnswer | None] = [None] * len(slices)
    turns = iter(enumerate(slices))
    async with httpx.AsyncClient(base_url=url, timeout=60) as client, asyncio.TaskGroup() as group:

        async def work() -> None:
            for place, each in turns:
                response = await client.post(f"/v1/models/{MODEL}/predict", content=each.path.read_bytes())
                answers[place] = SliceAnswer.from_document(response.raise_for_status().json())

        for _ in range(AT_ONCE):
            group.create_task(work())
    return [answer for answer in answers if answer is not None]
