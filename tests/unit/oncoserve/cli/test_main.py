"""What holds for every command: help, what is not installed, Ctrl-C, a pipe that nobody reads."""

import hashlib
import os
import signal
import time

import pytest

from oncoserve import __version__
from oncoserve.cli.main import COMMANDS, main
from tests.unit.oncoserve.cli.stub import Waiting

PATIENCE_S = 60  # only a test that fails waits that long


def test_without_a_command_it_says_which_there_are(capsys):
    assert main([]) == 2
    told = capsys.readouterr().err
    assert "Research use only. Not a medical device." in told
    assert [name for name in COMMANDS if f"\n  {name} " not in told] == []


def test_the_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"oncoserve {__version__}\n")


def test_a_command_that_there_is_not(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["predcit", "--model", "tiny"])
    assert ended.value.code == 2
    assert "invalid choice: 'predcit' (choose from 'run', 'predict'" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_by_the_name_that_is_typed(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: oncoserve {name} ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "x.png", "--model", "tiny"], "`oncoserve predict` needs what"),
        (["jobs"], "does not have: httpx. In a checkout `make run` installs it; elsewhere `pip install oncoserve`"),
        (["run"], "does not have: fastapi, onnx, onnxruntime, tritonclient, uvicorn."),
        (["worker"], "elsewhere `pip install 'oncoserve[service]'`"),
    ],
)
def test_a_command_whose_packages_are_missing_says_what_to_install(start, arguments, words):
    process = start(*arguments, bare=True)
    out, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, words in told, "Traceback" in told) == (2, "", True, False), told


def test_models_to_export_are_not_fetched_in_vain(start, tmp_path):
    process = start("models", "export", "--data", tmp_path / "data", hidden=["onnx"])
    _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, "`oncoserve models export` needs what" in told) == (2, True), told
    assert not (tmp_path / "data/build").exists()


def test_keys_are_made_where_nothing_is_installed(start, tmp_path):
    process = start("keys", "new", "lab", "--file", tmp_path / "keys", bare=True)
    secret, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, len(secret)) == (0, 44), told


def test_a_worker_needs_nothing_of_the_client(start):
    process = start("worker", "--help", hidden=["httpx", "tqdm"])
    out, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out.startswith("usage: oncoserve worker")) == (0, True), told


def test_a_setting_that_a_worker_does_not_know(start):
    process = start("worker", env={"ONCO_PROT": "1"})
    _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, "unknown setting ONCO_PROT" in told, "Traceback" in told) == (2, True, False)


def test_ctrl_c_while_it_waits_for_an_answer(start, stub):
    with Waiting() as waiting:
        stub.faults["GET", "/v1/models"].append(waiting)
        process = start("models", "--url", stub.url)
        assert waiting.came.wait(PATIENCE_S)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, told) == (130, "", "oncoserve: stopped.\n")


def test_ctrl_c_does_not_wait_for_results_that_are_being_fetched(start, stub, folder, tmp_path):
    """They may take minutes: the threads that wait for them are left alone."""
    result = hashlib.sha256(b"picture 0").hexdigest()[:32]
    with Waiting() as waiting:
        stub.faults["GET", f"/v1/results/{result}"].append(waiting)
        process = start("predict", folder, "--model", "tiny", "--out", tmp_path / "out", "--url", stub.url)
        assert waiting.came.wait(PATIENCE_S)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=PATIENCE_S)
        took_s = time.monotonic() - asked
    assert (process.returncode, "the same command goes on here." in told) == (130, True), told
    assert "Traceback" not in told
    assert took_s < PATIENCE_S / 2


def test_a_pipe_that_nobody_reads_ends_it_quietly(start, stub):
    reading, writing = os.pipe()
    os.close(reading)
    process = start("models", "--url", stub.url, stdout=writing)
    os.close(writing)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, told) == (141, "")


def test_names_that_the_terminal_cannot_show(start, stub, tmp_path):
    name = "\N{GREEK SMALL LETTER MU}.png"
    (tmp_path / name).write_bytes(b"picture")
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    process = start("predict", tmp_path / name, "--model", "tiny", "--url", stub.url, env=environment)
    out, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out.startswith("\\u03bc.png: =glioma 0.750")) == (0, True), out + told
