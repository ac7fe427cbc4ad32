"""What a job's record keeps of a result."""

import json
import logging
import math
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from oncoserve.jobs.finding import MAX_BYTES, finding_in, finding_of
from oncoserve.jobs.job import Job, JobFinding, JobImage, JobRecord, Outcome, Progress, State
from oncoserve.tasks import TASKS

COMMON = {"id": "f" * 32, "model": "tiny", "version": "3", "image": {"width": 2, "height": 1}}
WARNED = [{"code": "small", "message": "It is small."}, {"code": "grey", "message": "It is grey."}]
NAMED = {"label": "glioma", "probabilities": {"glioma": 0.75, "none": 0.25}}
PEAK = {"certainty": 0.9, "peak": {"x": 1, "y": 2}, "box": None}
SIZES = {"area_px": 12, "area_mm2": 3.0, "longest_diameter_px": 5.5, "longest_diameter_mm": 2.75}
UNNAMED = {"label": None, "probabilities": None}
AREAS = {"lumen": {"mm2": 0.5, "fraction": 0.25}, "epithelium": {"mm2": 1.5, "fraction": 0.75}}
STATED = {"code": "nothing_seen", "text": "Nothing.", "value": 0.1, "limit": 0.3}
ANSWERED = {"label": "glioma", "probability": 0.75, "undetermined": None}

DOCUMENTS = {
    "classification": (
        {"task": "classification", **NAMED, "undetermined": None, "warnings": WARNED},
        {**ANSWERED, "warnings": ["grey", "small"]},
    ),
    "no class": (
        {"task": "classification", **UNNAMED, "undetermined": STATED, "warnings": WARNED},
        {"label": None, "probability": None, "undetermined": "nothing_seen", "warnings": ["grey", "small"]},
    ),
    "no class, of an older version": (
        {"task": "classification", **UNNAMED, "warnings": WARNED},
        {"label": None, "probability": None, "undetermined": "small", "warnings": ["grey", "small"]},
    ),
    "no class, and nobody says why": (
        {"task": "classification", **UNNAMED, "warnings": []},
        {"label": None, "probability": None, "undetermined": "unknown", "warnings": []},
    ),
    "localisation": (
        {"task": "localisation", **NAMED, "localisation": PEAK, "warnings": []},
        {**ANSWERED, "certainty": 0.9, "warnings": []},
    ),
    "localisation, not asked": (
        {"task": "localisation", **UNNAMED, "localisation": None, "warnings": WARNED},
        {"label": None, "probability": None, "undetermined": "small", "certainty": None, "warnings": ["grey", "small"]},
    ),
    "detection": (
        {"task": "detection", "threshold": 0.5, "counts": {"mitosis": 2}, "boxes": [], "warnings": []},
        {"threshold": 0.5, "counts": {"mitosis": 2}, "warnings": []},
    ),
    "delineation": (
        {"task": "delineation", **NAMED, "undetermined": None, "localisation": {**PEAK, **SIZES}, "warnings": []},
        {**ANSWERED, "certainty": 0.9, **SIZES, "warnings": []},
    ),
    "delineation, of classes that are close": (
        {
            "task": "delineation",
            **NAMED,
            "label": None,
            "undetermined": {**STATED, "code": "classes_close"},
            "localisation": {**PEAK, **SIZES},
            "warnings": [],
        },
        {
            "label": None,
            "probability": None,
            "undetermined": "classes_close",
            "certainty": 0.9,
            **SIZES,
            "warnings": [],
        },
    ),
    "segmentation": (
        {"task": "segmentation", "um_per_px": 0.5, "threshold": 0.5, "areas": AREAS, "warnings": []},
        {"um_per_px": 0.5, "threshold": 0.5, "areas": AREAS, "warnings": []},
    ),
    "a task that is not known here": (
        {"task": "counting", "count": 7, "warnings": WARNED},
        {"warnings": ["grey", "small"]},
    ),
}


@pytest.mark.parametrize(("document", "expected"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_few_numbers_of_a_result(document, expected):
    found = finding_of({**COMMON, **document})
    assert found == {"task": document["task"], "version": "3", **expected}
    # As it is kept and read again.
    kept = TypeAdapter(Outcome).dump_json(Outcome("f" * 32, finding=found)).decode()
    assert TypeAdapter(Outcome).validate_json(kept).finding == found == finding_in(kept)


def test_of_a_dicom_file_it_is_kept_which_slice_it_is_and_nothing_else():
    dicom = {"series": "31d78bec5c70", "plane": "axial", "position_mm": 12.5, "frame": 2, "frames": 9}
    image = {"width": 2, "height": 1, "mm_per_px": 0.5, "dicom": {**dicom, "modality": "MR", "window": None}}
    document, _ = DOCUMENTS["delineation"]
    found = finding_of({**COMMON, **document, "image": image})
    assert found["slice"] == {**dicom, "mm_per_px": 0.5}
    given = finding_of({**COMMON, **document, "image": image, "mm_per_px": 0.7})  # what it was measured with
    assert given["slice"]["mm_per_px"] == 0.7


def test_each_task_has_an_example_here():
    assert {document["task"] for document, _ in DOCUMENTS.values()} > {task.kind for task in TASKS}


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_left_out(odd):
    areas = {"lumen": {"mm2": odd, "fraction": 0.5}}
    document = {"task": "segmentation", "um_per_px": odd, "threshold": 0.5, "areas": areas, "warnings": []}
    found = finding_of({**COMMON, **document})
    assert (found["um_per_px"], found["threshold"]) == (None, 0.5)
    assert found["areas"] == {"lumen": {"mm2": None, "fraction": 0.5}}
    json.dumps(found, allow_nan=False)


def classified(label):
    return {**COMMON, "task": "classification", "label": label, "probabilities": {label: 1.0}, "warnings": []}


def test_one_that_is_too_large_is_left_out_and_the_limit_is_told(caplog):
    around = len(json.dumps(finding_of(classified(""))).encode())
    assert len(finding_of(classified("ü" * ((MAX_BYTES - around) // 2)))["label"]) > 1000
    assert finding_of(classified("ü" * ((MAX_BYTES - around) // 2 + 1))) is None
    assert f"and the limit is {MAX_BYTES}" in caplog.messages[-1]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"task": "classification", "warnings": None, "version": "1"},
        {"task": ["classification"], "version": "1"},
        {**COMMON, "task": "localisation", "label": "x", "probabilities": [1], "warnings": []},
        {**COMMON, "task": "classification", "label": "\ud800", "probabilities": {}, "warnings": []},
    ],
)
def test_a_result_that_is_not_as_it_should_be_costs_its_finding_and_no_more(document, caplog):
    caplog.set_level(logging.ERROR)
    assert finding_of(document) is None
    assert "no finding could be made" in caplog.text


@pytest.mark.parametrize("kept", [None, "", "{", "[]", "null", "7", '{"result": "x"}', '{"finding": [1]}'])
def test_what_was_kept_otherwise_has_no_finding(kept):
    assert finding_in(kept) is None


def test_what_the_images_of_a_job_came_to():
    glioma, none, close = {"label": "glioma"}, {"label": "none"}, {"label": None, "undetermined": "classes_close"}
    made = JobFinding.of([(none, 2), (close, 1), (glioma, 3), (None, 4), ({"warnings": ["x"]}, 5), ({"label": 7}, 1)])
    assert made == JobFinding({"glioma": 3, "none": 2}, {"classes_close": 1}, 5)
    assert list(made.labels) == ["glioma", "none"]
    assert JobFinding.of([(glioma, 1)]) == JobFinding({"glioma": 1}, {}, 0, glioma)
    assert JobFinding.of([(glioma, 1), (None, 1)]).image is None
    assert JobFinding.of([(None, 3)]) is None
    assert JobFinding.of([]) is None


def test_nothing_of_it_is_shown_when_the_job_has_expired():
    now = datetime.now(UTC)
    found = {"label": "glioma"}
    image = JobImage("a.png", "jobs/1/0", State.SUCCEEDED, 1, Outcome("f" * 32, finding=found))
    record = JobRecord("0" * 32, None, "tiny", {}, now, now, now, Progress(1, 0, 0, 1, 0), JobFinding.of([(found, 1)]))
    bare = Job(record, (image,)).bare()
    assert (bare.record.finding, bare.images[0].outcome, bare.images[0].name) == (None, None, "")
    assert bare.record.state(now + timedelta(seconds=1)) is State.EXPIRED
