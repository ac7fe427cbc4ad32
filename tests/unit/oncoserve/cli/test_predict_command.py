import json
import os

import pytest
from starlette.responses import JSONResponse

from oncoserve.cli.client import folder_run
from oncoserve.cli.client.client_errors import Interrupted
from oncoserve.cli.predict_command import main
from testbed.servers import free_port
from tests.unit.oncoserve.cli.stub import BAD, BLANK, UNLIKE, Stub, answer, problem
from tests.unit.oncoserve.cli.tables import rows


def test_a_folder_becomes_results_and_a_table(run, stub, folder, tmp_path):
    (folder / "notes.txt").write_text("no picture")
    (folder / "._0.png").write_bytes(b"what macOS leaves")
    code, text = run(stub, "--job-images", "2", "--files", "overlay.png", "--set", "threshold=0.5")
    assert (code, "5 images: 5 succeeded, 0 failed" in text) == (0, True)
    assert [job["progress"]["total"] for job in stub.jobs.values()] == [2, 2, 1]
    assert {job["parameters"]["threshold"] for job in stub.jobs.values()} == {"0.5"}
    assert max(stub.received.values()) == 1
    out = tmp_path / "out"
    assert (out / "images/3.png/overlay.png").read_bytes() == b"overlay of picture 3"
    assert json.loads((out / "images/3.png/result.json").read_text())["label"] == "=glioma"
    row = rows(out)["3.png"]
    assert (row["state"], row["warnings"], row["probabilities.other"]) == ("SUCCEEDED", "small", "0.25")
    assert {column for column in row if column.startswith("image.")} == {"image.orientation"}
    assert row["image.orientation"] == "6"
    assert len(row["result"]) == 32


def test_dicom_files_are_fetched_of_those_that_have_them(run, stub, folder, tmp_path):
    code, _ = run(stub, "--files", "overlay.png", "seg.dcm")
    assert code == 0
    assert {path.name for path in (tmp_path / "out/images/3.png").iterdir()} == {"overlay.png", "result.json"}


def test_what_a_spreadsheet_would_run_is_text(run, stub, folder, tmp_path):
    (folder / "=cmd().png").write_bytes(b"picture with a formula for a name")
    (folder / "bad.png").write_bytes(BAD)
    code, text = run(stub)
    assert (code, "1 x corrupt_image" in text) == (1, True)
    table = rows(tmp_path / "out")
    assert table["'=cmd().png"]["label"] == "'=glioma"
    assert table["bad.png"]["error"] == "corrupt_image"
    assert table["bad.png"]["detail"] == "'=It cannot be decoded."


def test_a_picture_without_an_answer_has_no_label_in_the_table(run, stub, folder, tmp_path):
    (folder / "blank.png").write_bytes(BLANK)
    code, text = run(stub)
    assert (code, "0 failed" in text) == (0, True)
    row = rows(tmp_path / "out")["blank.png"]
    assert (row["state"], row["label"], row["probabilities.other"], row["warnings"]) == ("SUCCEEDED", "", "", "small")
    assert "probabilities" not in row


def test_folders_inside_are_taken_when_asked_and_the_results_never(run, stub, folder, tmp_path):
    (folder / "deep").mkdir()
    (folder / "deep/0.png").write_bytes(b"another with the same name")
    argv = ["--recursive", "--files", "overlay.png", "--out", str(folder / "out")]
    assert run(stub, *argv)[0] == 0
    assert sum(stub.received.values()) == 6
    assert run(stub, *argv)[0] == 0
    assert sum(stub.received.values()) == 6
    assert (folder / "out/images/deep/0.png/overlay.png").read_bytes() == b"overlay of another with the same name"


def test_what_is_left_out_is_told_by_its_kind(run, stub, folder, tmp_path):
    (folder / "IM0001").write_bytes(b"GIF89a")
    (folder / "b").write_bytes(b"GIF89a")
    (folder / "slide.svs").write_bytes(b"II*\x00and more")
    (folder / "notes.txt").write_bytes(b"text")
    os.mkfifo(folder / "pipe")
    (folder / "scan").write_bytes(b"\x89PNG\r\n\x1a\n of no ending")
    code, text = run(stub)
    assert (code, "left out: 2 x a GIF, " in text) == (0, True)
    assert all(f"1 x {kind}" in text for kind in ("a TIFF", ".txt", "no regular file"))
    assert "6 images: 6 succeeded" in text
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "c.dcx").write_bytes(b"x")
    code, text = run(stub, where=alone)
    assert (code, "has no PNG, JPEG or DICOM file. It has 1 x .dcx." in text) == (2, True)


def test_the_failed_ones_are_sent_again_as_they_are_now(run, stub, folder, tmp_path):
    (folder / "bad.png").write_bytes(BAD)
    (folder / "worse.png").write_bytes(BAD + b" too")
    code, text = run(stub)
    assert (code, "--retry-failed" in text) == (1, True)
    (folder / "bad.png").write_bytes(b"put right")
    assert run(stub)[0] == 1  # without being told so, nothing is sent again
    assert sum(stub.received.values()) == 7
    code, text = run(stub, "--retry-failed", "--files", "overlay.png")
    assert (code, "7 images: 6 succeeded, 1 failed" in text) == (1, True)
    assert (sum(stub.received.values()), stub.received[b"put right"]) == (9, 1)
    assert rows(tmp_path / "out")["bad.png"]["state"] == "SUCCEEDED"
    assert (tmp_path / "out/images/bad.png/overlay.png").read_bytes() == b"overlay of put right"
    (folder / "worse.png").write_bytes(b"right as well")
    assert run(stub, "--retry-failed")[0] == 0
    assert run(stub, "--retry-failed")[0] == 0
    assert sum(stub.received.values()) == 10


def test_excel_is_told_the_letters_of_the_table(run, stub, folder, tmp_path):
    (folder / "Schädel.png").write_bytes(b"skull")
    run(stub)
    assert (tmp_path / "out/results.csv").read_bytes().startswith("\ufefffile,".encode())
    assert "Schädel.png" in rows(tmp_path / "out")


def test_files_come_in_the_frame_that_is_asked_for_and_in_one_alone(run, stub, tmp_path):
    asked = ("--files", "overlay.png", "--frame", "file")
    assert run(stub, *asked)[0] == run(stub, *asked)[0] == 0
    assert (tmp_path / "out/images/0.png/overlay.png").read_bytes().endswith(b"file")
    code, text = run(stub, "--files", "overlay.png")
    assert (code, "of a run with another frame: 'file', now None" in text) == (2, True)


def test_a_second_run_submits_nothing_and_brings_what_is_new(run, stub, folder, tmp_path):
    run(stub)
    (folder / "new.jpg").write_bytes(b"a new one")
    (tmp_path / "out/images/0.png/result.json").unlink()
    code, _ = run(stub, "--files", "overlay.png")
    assert code == 0
    assert (sum(stub.received.values()), max(stub.received.values())) == (6, 1)
    assert len([*tmp_path.glob("out/images/*/overlay.png")]) == len([*tmp_path.glob("out/images/*/result.json")]) == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "no"], "There is no such model; served are: tiny."),
        (["--files", "mask.png"], "have no mask.png; there is: overlay.png"),
        (["--key-file", "/nowhere"], "The key file cannot be read"),
    ],
)
def test_what_the_caller_has_to_put_right(run, stub, arguments, words):
    code, text = run(stub, *arguments)
    assert (code, words in text) == (2, True), text


@pytest.mark.parametrize("arguments", [["--set", "x"], ["--set", "model=y"], ["--url", "ftp://x"], ["--job-mb", "0"]])
def test_arguments_that_cannot_be(run, stub, arguments):
    with pytest.raises(SystemExit) as ended:
        run(stub, *arguments)
    assert ended.value.code == 2


def test_folders_that_cannot_be(run, stub, tmp_path):
    (tmp_path / "empty").mkdir()
    for where, words in (("empty", "has no PNG, JPEG or DICOM file"), ("missing", "There is no file or folder")):
        code, text = run(stub, where=tmp_path / where)
        assert (code, words in text) == (2, True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious.txt").write_text("mine")
    code, text = run(stub)
    assert (code, "not a run's" in text) == (2, True)
    assert stub.received == {}


def test_a_folder_of_another_run_is_left_alone(run, stub):
    run(stub)
    code, text = run(stub, "--set", "threshold=1")
    assert (code, "another parameters: {}, now {'threshold': '1'}" in text) == (2, True)
    assert len(stub.jobs) == 1


def test_files_that_cannot_be_read_fail_alone(run, stub, folder, tmp_path):
    (folder / "gone.png").symlink_to(tmp_path / "nowhere")
    code, _ = run(stub)
    row = rows(tmp_path / "out")["gone.png"]
    assert (code, row["state"], row["error"]) == (1, "FAILED", "unreadable_file")
    assert sum(stub.received.values()) == 5


def test_nobody_there_and_who_waits_is_told_once(run):
    code, text = run(f"http://127.0.0.1:{free_port()}", "--patience-s", "1")
    assert (code, "No answer from http://127.0.0.1" in text) == (3, True)
    assert text.count("gives no answer yet") == 1


def test_another_kind_of_server(run, stub):
    stub.faults["GET", "/v1/models/tiny"].append(answer(JSONResponse("a page")))
    code, text = run(stub)
    assert (code, "not an address of this service" in text) == (2, True)


def test_the_key_goes_to_the_service_and_not_to_the_store(run, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ONCO_API_KEY", "onco_secret")
    (folder / "large.png").write_bytes(b"x" * 4_000_001)
    with Stub(uploads=True) as stub:
        assert run(stub)[0] == 0
        keys = {path.split("/")[1]: headers.get("x-api-key") for _, path, headers in stub.asked}
    assert keys == {"v1": "onco_secret", "store": None}
    assert "onco_secret" not in (tmp_path / "out/state.jsonl").read_text()


def test_the_key_of_a_file(run, stub, tmp_path):
    (tmp_path / "key").write_text("onco_other\n")
    assert run(stub, "--key-file", str(tmp_path / "key"))[0] == 0
    assert {headers["x-api-key"] for _, _, headers in stub.asked} == {"onco_other"}
    (tmp_path / "key").write_text("two\nlines")
    assert run(stub, "--key-file", str(tmp_path / "key"))[0] == 2


def test_refused_for_the_key(run, stub):
    stub.faults["GET", "/v1/models/tiny"].append(answer(problem(401, "unauthorised", "There is no header X-API-Key.")))
    code, text = run(stub)
    assert (code, "There is no header X-API-Key. Here that is --key-file" in text) == (2, True)


def test_ctrl_c_says_how_to_go_on(stub, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_run.Collector, "collect", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    argv = [str(folder), "--model", "tiny", "--out", str(tmp_path / "out"), "--url", stub.url]
    with pytest.raises(Interrupted, match="the same command goes on") as met:
        main(argv)
    assert met.value.exit_code == 130


def test_a_service_that_has_jobs_alone(run, stub):
    stub.faults["GET", "/v1/models/tiny"].append(answer(JSONResponse({"message": "Not Found"}, 404)))
    assert run(stub)[0] == 0


def test_a_key_in_clear_is_warned_of(run, stub, monkeypatch):
    monkeypatch.setenv("ONCO_API_KEY", "onco_secret")
    code, text = run(f"http://name.invalid:{free_port()}", "--patience-s", "1")
    assert (code, "without encryption" in text, "onco_secret" in text) == (3, True, False)
    code, text = run(stub)  # on this machine nobody listens in
    assert (code, "without encryption" in text, "onco_secret" in text) == (0, False, False)


def test_the_run_says_how_many_have_no_label_and_why(folder, stub, run, tmp_path):
    (folder / "unlike.png").write_bytes(UNLIKE)
    (folder / "blank.png").write_bytes(BLANK)
    code, text = run(stub)
    assert code == 0
    assert "  without a label: 1 x small, 1 x unlike_training\n" in text
    row = rows(tmp_path / "out")["unlike.png"]
    columns = ("label", "undetermined.code", "undetermined.value", "undetermined.limit", "undetermined.text")
    assert [row.get(column) for column in columns] == ["", "unlike_training", "7.5", "3.0", "It is unlike, =1."]
