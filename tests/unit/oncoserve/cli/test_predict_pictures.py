"""`oncoserve predict` with single pictures."""

import json

import pytest
from starlette.responses import JSONResponse

from tests.unit.oncoserve.cli.stub import BAD, BLANK, UNLIKE, answer
from tests.unit.oncoserve.cli.tables import rows


def test_a_picture_is_answered_at_once(call, stub, folder):
    code, out, told = call("predict", folder / "1.png", "--model", "tiny", "--set", "threshold=0.5")
    result = next(iter(stub.bytes))
    assert (code, out) == (0, f"1.png: =glioma 0.750, warning small  {stub.url}/results/{result}\n")
    assert "Research use only" in told
    assert stub.jobs == {}


def test_why_no_class_is_named_is_said(call, stub, folder):
    (folder / "unlike.png").write_bytes(UNLIKE)
    (folder / "blank.png").write_bytes(BLANK)
    code, out, _ = call("predict", folder / "unlike.png", folder / "blank.png", "--model", "tiny")
    assert code == 0
    assert "unlike.png: undetermined (unlike_training), warning small  " in out
    assert "blank.png: no answer, warning small  " in out


def test_several_pictures_get_a_line_each_and_bad_ones_fail_alone(call, folder, tmp_path):
    (folder / "bad\x1b[0m.jpg").write_bytes(BAD)
    (tmp_path / "scan").write_bytes(b"without a suffix")
    paths = [folder / "0.png", folder / "bad\x1b[0m.jpg", tmp_path / "scan", folder / "0.png"]
    code, out, _ = call("predict", *paths, "--model", "tiny")
    begun = [line.partition(": ")[0] for line in out.splitlines()]
    assert (code, begun) == (1, ["pictures/0.png", "pictures/bad?[0m.jpg", "scan"])
    assert "corrupt_image: It cannot be decoded." in out


def test_for_programs_a_picture_is_a_line_of_json(call, folder):
    (folder / "bad.png").write_bytes(BAD)
    paths = [folder / "0.png", folder / "bad.png"]
    code, out, told = call("predict", *paths, "--model", "tiny", "--json", "--set", "a=b")
    good, bad = map(json.loads, out.splitlines())
    assert (code, good["file"], good["label"], good["provenance"]["parameters"]) == (1, "0.png", "=glioma", {"a": "b"})
    assert bad == {"file": "bad.png", "error": {"code": "corrupt_image", "detail": "It cannot be decoded."}}
    assert told == ""


def test_pictures_with_a_folder_for_results_go_as_a_job(call, stub, folder, tmp_path):
    argv = ["predict", folder / "0.png", folder / "3.png", "--model", "tiny", "--out", tmp_path / "out"]
    assert call(*argv)[0] == 0
    assert rows(tmp_path / "out").keys() == {"0.png", "3.png"}
    assert call(*argv)[0] == 0
    assert len(stub.jobs) == 1


def test_a_picture_that_goes_away_fails_alone(call, folder):
    (folder / "0.png").unlink()
    (folder / "0.png").symlink_to(folder / "1.png")
    (folder / "gone.png").symlink_to("/proc/self/mem")  # there, and no regular file that can be read
    code, out, _ = call("predict", folder / "0.png", folder / "gone.png", "--model", "tiny")
    assert (code, "0.png: =glioma" in out, "gone.png: unreadable_file" in out) == (1, True, True), out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pictures"], "say with --out where its results go"),
        (["pictures", "pictures/0.png", "--out", "out"], "One folder can be given, or any number of files."),
        (["pictures/0.png", "nowhere.png"], "There is no file or folder nowhere.png."),
        (["pictures/0.png", "--files", "overlay.png"], "Say with --out where overlay.png goes."),
        (["pictures/0.png", "--frame", "file"], "--frame is of the files that --out and --files bring"),
        (["pictures/0.png", "--model", "no"], "served are: tiny."),
    ],
)
def test_what_has_to_be_put_right_before_anything_is_sent(call, stub, folder, monkeypatch, arguments, words):
    monkeypatch.chdir(folder.parent)
    code, out, told = call("predict", "--model", "tiny", *arguments)
    assert (code, out, words in told) == (2, "", True), told
    assert stub.received == {}


def test_a_service_that_has_jobs_alone_says_that_a_picture_needs_one(call, stub, folder):
    nothing = answer(JSONResponse({"message": "Not Found"}, 404))
    stub.faults["GET", "/v1/models/tiny"].append(nothing)
    stub.faults["POST", "/v1/models/tiny/predict"].append(nothing)
    code, _, told = call("predict", folder / "0.png", "--model", "tiny")
    assert (code, "with --out they go as a job" in told) == (2, True)
