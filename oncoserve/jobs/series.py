"""What the slices of each series came to together: from the findings of a job's images, without their results.

The slices are independent answers. Nothing here follows a lesion from one to the next.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Any, Final

from oncoserve.errors import EmptyUpload, OutOfScope, UnsupportedImage
from oncoserve.jobs.job import JobImage

EVEN: Final = 0.01
"""By so much, as a share, may distances differ from the middle one."""
EVEN_MM: Final = 0.01
"""By so much they may always differ: files write positions with few digits."""
SAME_MM: Final = 1e-3
NO_SLICES: Final = frozenset({EmptyUpload.code, OutOfScope.code, UnsupportedImage.code})
"""Of images that failed beside a series: reports and other kinds of scan, which no series misses."""


class NoVolume(StrEnum):
    """Why there is none."""

    NOT_ENDED = "not_ended"
    NOT_OUTLINED = "not_outlined"
    ONE_SLICE = "one_slice"
    POSITION_UNKNOWN = "position_unknown"
    POSITION_REPEATED = "position_repeated"
    NOT_PARALLEL = "not_parallel"
    NOT_EVEN = "not_evenly_spaced"
    SIZE_UNKNOWN = "pixel_size_unknown"
    SLICE_MISSING = "slice_missing"


@dataclass(frozen=True)
class Slice:
    """A slice that has a result.

    Attributes:
        image: its place in the job, from 0 on.
        series, plane: see `Scan`.
        position_mm: see `Scan`.
        label: the class that was named; None where none was.
        area_px, area_mm2: of what is outlined; None where the model gave no answer, or has no outlines. Millimetres
            are None too where the size of a pixel is not known.
        longest_px, longest_mm: the longest diameter of the region with the peak; likewise.
        boxes: how many things were found.
        answered: whether the model gave an answer.
    """

    image: int
    series: str
    plane: str
    position_mm: float | None
    label: str | None
    area_px: float | None
    area_mm2: float | None
    longest_px: float | None
    longest_mm: float | None
    boxes: int
    answered: bool

    @property
    def found(self) -> bool:
        """Whether something is outlined or boxed."""
        return bool(self.area_px or self.boxes)


@dataclass(frozen=True)
class Volume:
    """A sum of outlined areas times the distance of the slices.

    Attributes:
        mm3: None where `why_not` says why.
        distance_mm: between two slices; None where it is not the same.
        why_not: None where there is a volume.
    """

    mm3: float | None = None
    distance_mm: float | None = None
    why_not: NoVolume | None = None


@dataclass(frozen=True)
class SeriesFinding:
    """A series.

    Attributes:
        series: see `Scan`.
        plane: of all slices; empty where they differ, or do not say it.
        slices: those with a result, in the job's order.
        labels: places in the job by the class that was named.
        largest: the slice with the largest area; None where nothing is outlined.
        volume: of what is outlined.
    """

    series: str
    plane: str
    slices: tuple[Slice, ...]
    labels: Mapping[str, Sequence[int]]
    largest: Slice | None
    volume: Volume


def series_of(images: Sequence[JobImage]) -> list[SeriesFinding]:
    """The series that have at least one result, in the job's order.

    Args:
        images: all of the job.
    """
    by_series: dict[str, list[Slice]] = defaultdict(list)
    for place, image in enumerate(images):
        found = _slice(place, image.outcome.finding if image.outcome else None)
        if found:
            by_series[found.series].append(found)
    ended = all(image.state.ended for image in images)
    missing = {place for place, image in enumerate(images) if _may_be_missed(image)}
    return [_together(slices, missing, ended=ended) for slices in by_series.values()]


def _together(slices: list[Slice], missing: set[int], *, ended: bool) -> SeriesFinding:
    labels: dict[str, list[int]] = defaultdict(list)
    for each in slices:
        if each.label is not None:
            labels[each.label].append(each.image)
    planes = {each.plane for each in slices}
    return SeriesFinding(
        slices[0].series,
        planes.pop() if len(planes) == 1 else "",
        tuple(slices),
        labels,
        _largest([each for each in slices if each.area_px]),
        _volume(slices, missing) if ended else Volume(why_not=NoVolume.NOT_ENDED),
    )


def _largest(outlined: Sequence[Slice]) -> Slice | None:
    in_mm = all(each.area_mm2 is not None for each in outlined)
    return max(outlined, key=lambda each: (each.area_mm2 if in_mm else each.area_px) or 0, default=None)


def _volume(slices: Sequence[Slice], missing: set[int]) -> Volume:
    if not any(each.area_px is not None for each in slices):
        return Volume(why_not=NoVolume.NOT_OUTLINED)
    first, last = slices[0].image, slices[-1].image
    if missing & set(range(first - 1, last + 2)):
        return Volume(why_not=NoVolume.SLICE_MISSING)
    distance = _distance(slices)
    if isinstance(distance, NoVolume):
        return Volume(why_not=distance)
    areas = [each.area_mm2 for each in slices if each.area_px is not None]
    if None in areas:
        return Volume(distance_mm=distance, why_not=NoVolume.SIZE_UNKNOWN)
    return Volume(round(distance * sum(area or 0 for area in areas), 2), distance)


def _distance(slices: Sequence[Slice]) -> float | NoVolume:
    """Millimetres from one slice to the next, or why they are not the same everywhere."""
    positions = sorted(each.position_mm for each in slices if each.position_mm is not None)
    if len(positions) < len(slices) or not slices[0].series:
        return NoVolume.POSITION_UNKNOWN
    if len(slices) == 1:
        return NoVolume.ONE_SLICE
    if len({each.plane for each in slices}) > 1:
        return NoVolume.NOT_PARALLEL
    distances = [after - before for before, after in pairwise(positions)]
    middle = median(distances)
    if min(distances) < SAME_MM:
        return NoVolume.POSITION_REPEATED
    if any(abs(each - middle) > max(EVEN_MM, EVEN * middle) for each in distances):
        return NoVolume.NOT_EVEN
    return round((positions[-1] - positions[0]) / len(distances), 4)


def _may_be_missed(image: JobImage) -> bool:
    """Whether an image has ended without a result that may be of a slice."""
    fault = image.outcome.fault if image.outcome else None
    return fault is not None and fault.code not in NO_SLICES


def _slice(place: int, finding: Mapping[str, Any] | None) -> Slice | None:
    """Of a DICOM image; a record outlives what wrote it, so nothing is taken for granted."""
    lies = (finding or {}).get("slice")
    if finding is None or not isinstance(lies, Mapping):
        return None
    counts = finding.get("counts")
    return Slice(
        image=place,
        series=_word(lies.get("series")) or "",
        plane=_word(lies.get("plane")) or "",
        position_mm=_number(lies.get("position_mm")),
        label=_word(finding.get("label")),
        area_px=_number(finding.get("area_px")),
        area_mm2=_number(finding.get("area_mm2")),
        longest_px=_number(finding.get("longest_diameter_px")),
        longest_mm=_number(finding.get("longest_diameter_mm")),
        boxes=int(sum(_number(each) or 0 for each in counts.values())) if isinstance(counts, Mapping) else 0,
        answered=any(finding.get(each) is not None for each in ("label", "area_px", "counts", "areas")),
    )


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
