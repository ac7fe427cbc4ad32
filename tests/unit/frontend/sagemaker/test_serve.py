"""What the container serves: the image's models, or those that the endpoint brings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from frontend.http.wire.leaving import LAST_WORDS_S, LINGER_S
from frontend.sagemaker.__main__ import CannotServe, clear, environment, repository
from inference_server.triton_settings import TritonSettings
from oncoserve.settings import Settings

TRITON_S = 3  # Triton with nothing to do, and the launcher itself


@pytest.fixture
def own(tmp_path):
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def add(own, name="mine", *, card=True, version="1"):
    folder = own / name
    (folder / version).mkdir(parents=True)
    if card:
        (folder / "card.json").write_text("{}")
    return folder


def test_the_models_of_the_image_where_the_endpoint_brings_none(own, tmp_path):
    assert repository(own, tmp_path) == tmp_path
    assert repository(tmp_path / "nowhere", tmp_path) == tmp_path
    (own / ".lost+found").mkdir()
    assert repository(own, tmp_path) == tmp_path


@pytest.mark.parametrize("method", ["iterdir", "is_file"])
def test_a_folder_that_cannot_be_read_is_told(own, tmp_path, monkeypatch, method):
    """Root reads everything, so the system's answer is played: for the whole, and for a model in it."""
    add(own)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(CannotServe, match=r"model.* cannot be read by user .*: Permission denied"):
        repository(own, tmp_path)


def test_those_of_the_endpoint_instead(own, tmp_path):
    add(own)
    assert repository(own, tmp_path) == own


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda own: (own / "model.onnx").touch(), "model.onnx is a file"),
        (lambda own: add(own, card=False), "mine has no card.json"),
        (lambda own: add(own, version="newest"), "mine has no version"),
        (lambda own: (add(own), add(own, "other", card=False)), "other has no card.json"),
    ],
)
def test_what_is_no_repository_is_told_and_never_passed_over(own, tmp_path, make, words):
    make(own)
    with pytest.raises(CannotServe, match=words):
        repository(own, tmp_path)


def test_its_settings_are_known_and_what_is_set_stays(tmp_path, monkeypatch):
    given = environment(tmp_path, {"ONCO_MAX_BATCHES_IN_FLIGHT": "2", "ONCO_PORT": "9"})
    assert (given["ONCO_PORT"], given["ONCO_SAGEMAKER"]) == ("9", "true")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_environment()
    assert (settings.sagemaker, settings.job_workers, settings.model_repository) == (True, 0, tmp_path)


def test_it_ends_within_the_time_that_sagemaker_gives(tmp_path):
    """The launcher waits for the frontend, which goes on for a few seconds after its grace; then comes Triton."""
    given = environment(tmp_path, {})
    grace_s, stop_s = float(given["ONCO_SHUTDOWN_GRACE_S"]), float(given["ONCO_TRITON_STOP_GRACE_S"])
    assert grace_s + LINGER_S + LAST_WORDS_S < stop_s < 30 - TRITON_S


def test_several_containers_in_one_network_get_the_ports_that_sagemaker_says(tmp_path):
    assert environment(tmp_path, {})["ONCO_PORT"] == "8080"
    given = environment(tmp_path, {"SAGEMAKER_BIND_TO_PORT": "9001", "SAGEMAKER_SAFE_PORT_RANGE": "9000-9003"})
    assert given["ONCO_PORT"] == "9001"
    settings = TritonSettings.model_validate(
        {name.removeprefix("ONCO_TRITON_").lower(): value for name, value in given.items() if "TRITON" in name}
    )
    assert set(settings.ports.values()) == {9000, 9002, 9003}


@pytest.mark.parametrize("given", ["9000", "9000-9001", "9001-9000", "x-y", "9000-9002-9003"])
def test_a_range_of_ports_that_is_none_is_told(tmp_path, given):
    with pytest.raises(CannotServe, match=f"SAGEMAKER_SAFE_PORT_RANGE is '{given}'; Triton needs 3"):
        environment(tmp_path, {"SAGEMAKER_SAFE_PORT_RANGE": given})


def test_a_name_of_no_model_is_told_at_the_start():
    command = [sys.executable, "-m", "frontend.sagemaker", "serve"]
    variables = {"ONCO_JOB_MODELS": "brain_mri,brian_mri"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables)
    assert (done.returncode, "names brian_mri; " in done.stderr) == (2, True), done.stderr


def test_work_that_cannot_be_kept_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotServe, match=r"cannot make .*: "):
        clear(tmp_path / "file" / "work")


@pytest.mark.parametrize("arguments", [[], ["train"], ["serve", "now"]])
def test_anything_but_serve_is_refused(arguments):
    done = subprocess.run([sys.executable, "-m", "frontend.sagemaker", *arguments], capture_output=True, text=True)
    assert (done.returncode, "started with `serve`" in done.stdout) == (2, True)
