"""Items of DynamoDB as they may be found: of older versions, of newer ones, damaged."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from oncoserve.jobs.aws.items import image_item, job_of, outcome_text, record_item, record_of
from oncoserve.jobs.job import Job, JobFinding, JobImage, JobRecord, Outcome, Progress, State

NOW = datetime.now(UTC)
FOUND = {"task": "classification", "version": "1", "label": "glioma", "probability": 0.9, "warnings": []}


def items(outcome, images=1):
    """A job's items; the first image has this outcome, as text."""
    own = [JobImage(f"{index}.png", f"jobs/1/{index}", State.SUCCEEDED, 1) for index in range(images)]
    progress = Progress.of(image.state for image in own)
    record = JobRecord("0" * 32, "ward", "tiny", {}, NOW, NOW, NOW + timedelta(days=7), progress)
    made = [image_item(Job(record, tuple(own)), index) for index in range(images)]
    return [{**made[0], "outcome": {"S": outcome}}, *made[1:], record_item(record, 60)]


def test_one_with_a_finding():
    job = job_of(items(outcome_text(Outcome("f" * 32, {"overlay": "overlay.png"}, finding=FOUND))))
    assert job.images[0].outcome.finding == FOUND
    assert job.record.finding == JobFinding({"glioma": 1}, {}, 0, FOUND)


def test_the_item_of_an_older_version_has_none():
    older = json.dumps({"result": "f" * 32, "files": {"overlay": "overlay.png"}, "fault": None})
    job = job_of(items(older))
    assert (job.images[0].outcome.result, job.images[0].outcome.finding, job.record.finding) == ("f" * 32, None, None)


def test_that_of_a_newer_version_is_read_without_what_is_not_known_here():
    newer = json.dumps({"result": "f" * 32, "finding": {**FOUND, "more": 1}, "seen_by": "somebody"})
    assert job_of(items(newer)).images[0].outcome == Outcome("f" * 32, finding={**FOUND, "more": 1})


@pytest.mark.parametrize("text", ["", "{", "7", '{"finding": []}', '{"finding": NaN}'])
def test_one_that_is_damaged_does_not_take_the_list_with_it(text):
    *images, record = items(text, images=2)
    assert record_of(record, images).finding is None
    good = {**images[1], "outcome": {"S": outcome_text(Outcome("f" * 32, finding=FOUND))}}
    assert record_of(record, [images[0], good]).finding == JobFinding({"glioma": 1})
