"""Single pictures, jobs and models, at the real service."""

import json
import subprocess
import sys

import httpx
import pytest

from testbed.encoded_pictures import encoded, noise, scan
from testbed.servers import PROJECT


@pytest.fixture
def call(service):
    """Runs a command to its end: exit code, answer, and what it told besides."""

    def run(*arguments):
        command = [sys.executable, "-m", "oncoserve", *map(str, arguments), "--url", service.url]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=240)
        return done.returncode, done.stdout, done.stderr

    return run


def test_pictures_of_each_task(call, tmp_path):
    """Classified, localised, segmented: each has its own words, and every model is asked as it is listed."""
    (tmp_path / "noise.png").write_bytes(encoded(scan(seed=77)))
    listed = call("models", "--json")[1]
    lines = {}
    for model in json.loads(listed)["models"]:
        resolution = ["--set", "um_per_px=0.5"] if model["card"]["task"] == "segmentation" else []
        code, lines[model["name"]], told = call(
            "predict", tmp_path / "noise.png", "--model", model["name"], *resolution
        )
        assert code == 0, told
    assert lines.keys() == {"brain_mri", "brain_tumour", "he_tissue"}
    assert all(line.startswith("noise.png: ") and "/results/" in line for line in lines.values())
    assert "mm2 (" in lines["he_tissue"]
    (tmp_path / "noise.png").write_bytes(encoded(noise((64, 64))))
    line = call("predict", tmp_path / "noise.png", "--model", "brain_mri")[1]
    assert line.startswith("noise.png: no answer, warning background_not_dark, warning not_grey  http")


def test_a_parameter_that_is_not_known_is_the_callers(call, tmp_path):
    (tmp_path / "noise.png").write_bytes(encoded(scan()))
    code, out, told = call("predict", tmp_path / "noise.png", "--model", "brain_mri", "--set", "nonsense=1")
    assert (code, out, "invalid_parameter" in told) == (2, "", True), told


def test_a_job_is_listed_shown_and_taken_back(call, client, pictures, service):
    assert client(pictures(2, seed=90)).wait(240) == 0
    newest = httpx.get(f"{service.url}/v1/jobs", timeout=60).raise_for_status().json()["jobs"][0]["id"]
    assert call("jobs", "--limit", "1")[1].splitlines()[1].split()[:5] == [newest, "SUCCEEDED", "brain_mri", "2/2", "0"]
    code, out, _ = call("jobs", "show", newest)
    assert (code, [line.split()[:2] for line in out.splitlines()[-2:]]) == (
        0, [["90-000.png", "SUCCEEDED"], ["90-001.png", "SUCCEEDED"]],
    )  # fmt: skip
    assert call("jobs", "cancel", newest)[0] == 0
    code, _, told = call("jobs", "show", newest)
    assert (code, "job_not_found" in told) == (2, True)
