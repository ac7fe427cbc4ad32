"""What an endpoint may answer, and what is refused of it before it is held in memory."""

import io
import json
import zipfile

import pytest

from oncoserve.jobs.job import Fault
from oncoserve.jobs.sagemaker import endpoint_answers as answers
from oncoserve.jobs.sagemaker.answer_format import MAX_FILES
from oncoserve.jobs.sagemaker.endpoint_answers import Answer, read_answer
from oncoserve.jobs.sagemaker.setting_back import Setback

RESULT = {"id": "a" * 32, "model": "tiny", "files": {"overlay": "overlay.png", "outlines": "outlines.geojson"}}


def packed(files, method=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return content.getvalue()


def result(**changed):
    return packed([("result.json", json.dumps(RESULT | changed)), ("overlay.png", b"1"), ("outlines.geojson", b"2")])


def problem(**fields):
    return packed([("problem.json", json.dumps(fields))])


async def test_a_result_and_its_files():
    found = read_answer(result(), "tiny")
    assert isinstance(found, Answer)
    assert (found.document, found.files) == (RESULT, RESULT["files"])
    assert [await found.draw(name) for name in found.files.values()] == [b"1", b"2"]


REFUSED = {
    "empty": (b"", "cannot be read"),
    "no archive": (b"x" * 1000, "cannot be read"),
    "cut off": (result()[:-30], "cannot be read"),
    "neither result nor problem": (packed([("a", b"")]), "result.json"),
    "not JSON": (packed([("result.json", b"{")]), "cannot be read"),
    "a list": (packed([("result.json", b"[]")]), "is not an object"),
    "nested too deep": (packed([("result.json", b"[" * 10**6)]), "cannot be read"),
    "too many": (packed([(str(number), b"") for number in range(MAX_FILES + 1)]), "65 files"),
    "a path": (result(files={"a": "../result.json"}), "'../result.json', which is not there"),
    "a folder": (result(files={"a": "a/b"}), "'a/b', which is not there"),
    "itself": (result(files={"a": "result.json"}), "'result.json', which is not there"),
    "no name": (result(files={"a": None}), "'None', which is not there"),
    "missing": (result(files={"a": "mask.png"}), "'mask.png', which is not there"),
    "no files": (result(files=None), "names no files"),
    "id": (result(id="../x"), "result '../x'"),
    "no id": (result(id=None), "result 'None'"),
    "another model": (result(model="other"), "model 'other'"),
    "a problem without a code": (problem(status=500), "the code None"),
    "a problem without a status": (problem(code="too_busy"), "the status None"),
    "a code with words": (problem(status=400, code="No. Really"), "the code 'No. Really'"),
}


@pytest.mark.parametrize(("content", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_answer_of_ours_is_refused_in_words(content, why):
    with pytest.raises(ValueError, match=why.replace("[", r"\[").replace("'../", r"'\.\./")):
        read_answer(content, "tiny")


def test_a_bomb_is_refused_by_what_its_directory_says(monkeypatch):
    """With a smaller limit, since the real one is half a gigabyte."""
    monkeypatch.setattr(answers, "MAX_CONTENT_BYTES", 2**24)
    content = packed([("result.json", b"0" * (2**24 + 1))], zipfile.ZIP_DEFLATED)
    assert len(content) < 2**20
    with pytest.raises(ValueError, match=f"of {2**24 + 1} bytes together; the limits are"):
        read_answer(content, "tiny")


def test_an_answer_that_was_cut_at_the_limit_is_refused_with_the_limit(monkeypatch):
    monkeypatch.setattr(answers, "MAX_BYTES", 2**20)
    with pytest.raises(ValueError, match=f"more than {2**20} bytes"):
        read_answer(bytes(2**20 + 1), "tiny")


async def test_a_file_that_is_damaged_is_told_by_its_name():
    content = bytearray(result())
    content[content.index(b"overlay.png1") + len("overlay.png")] ^= 1
    found = read_answer(bytes(content), "tiny")
    with pytest.raises(ValueError, match=r"overlay\.png is damaged"):
        await found.draw("overlay.png")


@pytest.mark.parametrize(("status", "code"), [(400, "empty_upload"), (413, "image_too_large"), (422, "corrupt_image")])
def test_what_is_the_pictures_fault_is_passed_on(status, code):
    found = read_answer(problem(status=status, code=code, title="T" * 999, detail="D" * 9999), "tiny")
    assert found == Fault(code, "T" * answers.MAX_TITLE, "D" * answers.MAX_DETAIL)


@pytest.mark.parametrize(
    ("status", "code", "counted", "gone"),
    [
        (503, "too_busy", False, False),
        (503, "shutting_down", False, False),
        (429, "too_many_requests", False, False),
        (404, "model_not_found", False, False),
        (503, "model_not_ready", False, True),
        (503, "inference_unavailable", False, True),
        (500, "internal_error", True, False),
        (502, "inference_failed", True, False),
        (504, "deadline_exceeded", True, False),
    ],
)
def test_what_is_not_the_pictures_fault_is_tried_again(status, code, counted, gone):
    assert read_answer(problem(status=status, code=code, detail="D"), "tiny") == Setback("D", counted, gone)
