"""What the slices of a series came to, from what a job's record keeps."""

import random
import time
from dataclasses import replace

import pytest

from oncoserve.jobs.finding import finding_of
from oncoserve.jobs.job import Fault, JobImage, Outcome, State
from oncoserve.jobs.series import NoVolume, series_of

SERIES = "31d78bec5c70"


def document(position=0.0, area_px=0, mm=0.5, label=None, series=SERIES, plane="axial", answered=True):
    """A stored result of a slice, as far as a finding is made of it."""
    outline = {
        "certainty": 0.9,
        "area_px": area_px,
        "area_mm2": None if mm is None else area_px * mm**2,
        "longest_diameter_px": area_px**0.5 if area_px else None,
        "longest_diameter_mm": None if mm is None or not area_px else area_px**0.5 * mm,
    }
    dicom = {"series": series, "plane": plane, "position_mm": position, "frame": 1, "frames": 1, "modality": "MR"}
    return {
        "id": "f" * 32,
        "task": "delineation",
        "version": "1",
        "label": label,
        "probabilities": {label: 0.9} if label else None,
        "undetermined": None if label else {"code": "nothing_seen"},
        "localisation": outline if answered else None,
        "mm_per_px": mm,
        "warnings": [],
        "image": {"mm_per_px": mm, "dicom": dicom},
    }


def image(**values):
    return JobImage("a", "jobs/1/0", State.SUCCEEDED, 1, Outcome("f" * 32, finding=finding_of(document(**values))))


def failed(code):
    return JobImage("a", "", State.FAILED, 1, Outcome(fault=Fault(code, "t", "d")))


PNG = JobImage("a.png", "jobs/1/0", State.SUCCEEDED, 1, Outcome("f" * 32, finding={"task": "x", "label": "glioma"}))
STACK = [image(position=10 + 5.0 * place, area_px=area) for place, area in enumerate([0, 40, 100, 60, 0])]


def only(images):
    (found,) = series_of(images)
    return found


def test_a_stack_with_a_lesion():
    images = [
        PNG,
        image(position=10.0, answered=False),
        image(position=15.0, area_px=40),
        image(position=20.0, area_px=100, label="glioma"),
        image(position=25.0, area_px=60, label="glioma"),
        image(position=30.0),
    ]
    found = only(images)
    assert (found.series, found.plane, [each.image for each in found.slices]) == (SERIES, "axial", [1, 2, 3, 4, 5])
    assert [each.image for each in found.slices if each.found] == [2, 3, 4]
    assert [each.image for each in found.slices if not each.answered] == [1]
    assert found.labels == {"glioma": [3, 4]}
    largest = found.largest
    assert (largest.image, largest.position_mm, largest.area_px, largest.area_mm2) == (3, 20.0, 100, 25.0)
    assert (largest.longest_px, largest.longest_mm) == (10, 5.0)
    assert (found.volume.mm3, found.volume.distance_mm, found.volume.why_not) == (200 * 0.25 * 5, 5.0, None)


def test_the_largest_is_so_in_millimetres_where_all_have_them():
    coarse, fine = image(position=0, area_px=50, mm=2.0), image(position=5, area_px=100, mm=0.5)
    assert only([coarse, fine]).largest.image == 0
    assert only([coarse, fine, image(position=10, area_px=70, mm=None)]).largest.image == 1


def test_a_series_without_any_outline_has_no_largest_and_no_volume_of_nothing():
    found = only([image(position=5.0 * place) for place in range(3)])
    assert (found.largest, found.volume.mm3) == (None, 0.0)


NO_VOLUME = {
    NoVolume.NOT_ENDED: [*STACK, replace(STACK[0], state=State.RUNNING, outcome=None)],
    NoVolume.NOT_OUTLINED: [image(position=5.0 * place, answered=False) for place in range(3)],
    NoVolume.ONE_SLICE: STACK[:1],
    NoVolume.POSITION_UNKNOWN: [*STACK, image(position=None)],
    NoVolume.POSITION_REPEATED: [*STACK[:2], STACK[1], *STACK[2:]],
    NoVolume.NOT_PARALLEL: [*STACK, image(position=35.0, plane="coronal")],
    NoVolume.NOT_EVEN: [*STACK[:2], *STACK[3:]],
    NoVolume.SIZE_UNKNOWN: [*STACK, image(position=35.0, area_px=5, mm=None)],
    NoVolume.SLICE_MISSING: [*STACK, failed("attempts_exhausted")],
}


@pytest.mark.parametrize("why", NoVolume)
def test_why_there_is_no_volume(why):
    volume = only(NO_VOLUME[why]).volume
    assert (volume.mm3, volume.why_not) == (None, why)


@pytest.mark.parametrize(
    ("images", "why"),
    [
        ([failed("corrupt_image"), *STACK], NoVolume.SLICE_MISSING),
        ([*STACK[:2], failed("corrupt_image"), *STACK[2:]], NoVolume.SLICE_MISSING),
        ([*STACK, PNG, failed("corrupt_image")], None),
        ([failed("unsupported_image"), *STACK, failed("out_of_scope")], None),
        ([image(position=5.0 * place, series="") for place in range(3)], NoVolume.POSITION_UNKNOWN),
    ],
    ids=["before it", "in it", "beyond another picture", "a report, another scan", "of no series"],
)
def test_images_without_a_result_count_where_they_may_be_slices(images, why):
    assert only(images).volume.why_not is why


def test_distances_may_differ_by_what_files_write():
    rounded = [image(position=round(place * 1.3333, 2), area_px=9) for place in range(9)]
    volume = only(rounded).volume
    assert (volume.why_not, volume.distance_mm) == (None, 1.3337)
    off = [*rounded[:-1], image(position=8 * 1.3333 + 0.02)]
    assert only(off).volume.why_not is NoVolume.NOT_EVEN


def test_series_are_told_apart():
    found = series_of([image(series="a", position=0), image(series="b", position=5), image(series="a", position=10)])
    assert [(each.series, [one.image for one in each.slices]) for each in found] == [("a", [0, 2]), ("b", [1])]


@pytest.mark.parametrize(
    "finding",
    [
        None,
        {"task": "delineation"},
        {"slice": None},
        {"slice": 7},
        {"slice": {}, "label": 7, "area_px": "x", "counts": [1]},
        {"slice": {"series": 1, "position_mm": True, "plane": None}, "counts": {"a": "b", "c": float("inf")}},
    ],
)
def test_records_of_other_versions_are_no_error(finding):
    kept = JobImage("a", "", State.SUCCEEDED, 1, Outcome("f" * 32, finding=finding))
    for each in series_of([kept, *STACK]):
        assert all(one.label is None for one in each.slices)


def test_boxes_count_as_found():
    kept = {"task": "detection", "counts": {"a": 0, "b": 2}, "slice": {"series": "a", "position_mm": 1.0}}
    empty = {**kept, "counts": {"a": 0}}
    images = [JobImage("a", "", State.SUCCEEDED, 1, Outcome("f" * 32, finding=each)) for each in (kept, empty)]
    assert [(each.found, each.answered) for each in only(images).slices] == [(True, True), (False, True)]


def test_thousands_of_slices_cost_little():
    images = [image(position=0.5 * place, area_px=place % 7) for place in range(5000)]
    random.Random(1).shuffle(images)  # noqa: S311 - reproducible, not secret
    started = time.thread_time()
    assert only(images).volume.mm3
    assert time.thread_time() - started < 0.5
