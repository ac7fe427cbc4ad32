"""What the container serves: the image's models, or those that the endpoint brings."""

import subprocess
import sys

import pytest

from frontend.sagemaker.__main__ import NoModels, environment, repository
from oncoserve.settings import Settings


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
    with pytest.raises(NoModels, match=words):
        repository(own, tmp_path)


def test_its_settings_are_known_and_what_is_set_stays(tmp_path, monkeypatch):
    given = environment(tmp_path, {"ONCO_MAX_BATCHES_IN_FLIGHT": "2", "ONCO_PORT": "9"})
    assert (given["ONCO_PORT"], given["ONCO_SAGEMAKER"]) == ("9", "true")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_environment()
    assert (settings.sagemaker, settings.job_workers, settings.model_repository) == (True, 0, tmp_path)


@pytest.mark.parametrize("arguments", [[], ["train"], ["serve", "now"]])
def test_anything_but_serve_is_refused(arguments):
    done = subprocess.run([sys.executable, "-m", "frontend.sagemaker", *arguments], capture_output=True, text=True)
    assert (done.returncode, "started with `serve`" in done.stdout) == (2, True)
