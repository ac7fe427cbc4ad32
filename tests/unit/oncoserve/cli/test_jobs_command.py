import json

import pytest

from oncoserve.cli.client.picture_files import Upload
from oncoserve.cli.client.service_client import ServiceClient
from tests.unit.oncoserve.cli.stub import BAD, answer, problem


@pytest.fixture
def handed_in(stub):
    """Three jobs, oldest first: their ids."""
    service = ServiceClient(stub.url, None, 5)
    pictures = [Upload("a.png", b"a", "image/png"), Upload("\x1b[31mb.png", BAD, "image/png")]
    made = [service.create_job("tiny", {"threshold": "0.5"}, pictures, [])["id"] for _ in range(3)]
    service.close()
    return made


def test_the_newest_come_first_and_more_are_told_of(call, handed_in):
    code, out, told = call("jobs", "--limit", "2")
    header, *lines = out.splitlines()
    assert (code, header.split()) == (0, ["JOB", "STATE", "MODEL", "DONE", "FAILED", "CREATED", "FINDING"])
    assert [line.split()[:4] for line in lines] == [[job, "QUEUED", "tiny", "0/2"] for job in reversed(handed_in[1:])]
    assert "there are older ones; see --limit." in told
    assert "older" not in call("jobs", "--limit", "3")[2]


def test_for_programs_a_job_is_a_line_of_json(call, handed_in):
    _, out, _ = call("jobs", "--json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == handed_in[::-1]


def test_none(call):
    code, out, told = call("jobs")
    assert (code, out, "there are no jobs of yours" in told) == (0, "", True)


def test_one_with_its_images(call, handed_in, stub):
    code, out, _ = call("jobs", "show", handed_in[0])
    assert code == 1  # since one of its images has failed
    assert "threshold  0.5" in out
    a, b = out.splitlines()[-2:]
    assert a.split() == ["a.png", "SUCCEEDED", stub.jobs[handed_in[0]]["images"][0]["result"]]
    assert b.split()[:3] == ["?[31mb.png", "FAILED", "corrupt_image:"]
    assert json.loads(call("jobs", "show", handed_in[0], "--json")[1])["id"] == handed_in[0]


def test_what_was_found_is_told(call, handed_in, stub):
    found = {"task": "classification", "version": "1", "label": "lesion\x1b[31m", "probability": 0.75, "warnings": []}
    job = stub.jobs[handed_in[0]]
    job["finding"] = {"labels": {"lesion": 1}, "undetermined": {"small": 1}, "warned": 0, "image": None}
    job["images"][0]["finding"] = found
    assert call("jobs")[1].splitlines()[-1].endswith("  1 lesion, 1 undetermined (small)")
    assert call("jobs", "show", handed_in[0])[1].splitlines()[-2].endswith("  lesion?[31m 0.750")


def test_what_failed_is_tried_again_as_a_new_job(call, handed_in, stub):
    call("jobs", "show", handed_in[0])
    code, out, _ = call("jobs", "retry", handed_in[0])
    new = list(stub.jobs)[-1]
    assert (code, new in handed_in) == (0, False)
    assert new in out
    assert [image["name"] for image in stub.jobs[new]["images"]] == ["\x1b[31mb.png"]


def test_a_retry_that_gets_no_answer_says_where_to_look(call, handed_in, stub):
    stub.faults["POST", f"/v1/jobs/{handed_in[0]}/retry"].append(answer(problem(500, "internal_error", "?")))
    code, _, told = call("jobs", "retry", handed_in[0])
    assert (code, "`oncoserve jobs` tells whether the job was made" in told) == (3, True)
    assert len(stub.jobs) == 3


def test_taken_back(call, handed_in, stub):
    code, out, told = call("jobs", "cancel", *handed_in[:2])
    assert (code, out, told.count("is taken back")) == (0, "", 2)
    assert list(stub.jobs) == handed_in[2:]


@pytest.mark.parametrize("action", ["show", "cancel"])
@pytest.mark.parametrize("job", ["0" * 32, "../models"])
def test_one_that_there_is_not(call, handed_in, stub, action, job):
    code, out, told = call("jobs", action, job)
    assert (code, out) == (2, "")
    assert "404" in told
    assert len(stub.jobs) == 3


@pytest.mark.parametrize("arguments", [["show"], ["retry"], ["cancel"], ["list", "x"], ["x"], ["--limit", "0"]])
def test_arguments_that_cannot_be(call, arguments):
    with pytest.raises(SystemExit) as ended:
        call("jobs", *arguments)
    assert ended.value.code == 2
