"""The wheel, as a stranger uses it: installed with the locked packages, started and asked outside of any checkout."""

import json
import re
import signal
import subprocess
import tomllib
import zipfile
from pathlib import Path

import httpx
import pytest

from oncoserve import __version__
from testbed.servers import PROJECT

PACKAGES = ("frontend", "inference_server", "model_export", "oncoserve", "supervision")


def tracked(*folders):
    """What git has of these folders, or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split("\0") if name and (PROJECT / name).exists()}


def test_it_has_what_git_has_and_nothing_else(wheel):
    """No exported model, no cache, no build folder; no module that a rule of .gitignore hides."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    code = {name for name in tracked(*PACKAGES) if not name.startswith("frontend/pages/vendor/")}
    assert names == code | {f"oncoserve/{name}" for name in tracked("model_repository")}


def test_it_says_what_it_is_and_what_asking_a_service_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"oncoserve-{__version__}.dist-info/METADATA").decode()
    head = metadata.partition("\n\n")[0].splitlines()
    assert {f"Version: {__version__}", "License-Expression: MIT", "Requires-Python: >=3.11"} <= set(head)
    needs = [line.removeprefix("Requires-Dist: ") for line in head if line.startswith("Requires-Dist")]
    assert [need for need in needs if "extra ==" not in need] == ["httpx", "tqdm"]


def test_the_build_uses_what_the_lock_pins():
    (backend,) = tomllib.loads((PROJECT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert f"\n{backend} \\\n" in (PROJECT / "requirements-dev.lock").read_text()


def test_the_command_is_the_installed_one(oncoserve):
    done = oncoserve("--version")
    assert (done.returncode, done.stdout) == (0, f"oncoserve {__version__}\n"), done.stderr


def test_it_serves_its_models_page_and_samples(service, oncoserve):
    done = oncoserve("models", "--url", service.url)
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["brain_mri", "brain_tumour", "he_tissue"]
    with httpx.Client(base_url=service.url, timeout=60) as http:
        page = http.get("/")
        assert "Research use only" in page.text
        linked = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
        shipped = [path for path in tracked("frontend/pages/static") if path.endswith((".js", ".css"))]
        for address in linked | {path.removeprefix("frontend/pages") for path in shipped}:
            assert http.get(address).is_success, address
        samples = http.get("/v1/samples").json()
        assert samples.keys() == {"brain_mri", "brain_tumour", "he_tissue"}
        assert http.get(f"/v1/samples/{samples['he_tissue'][0]}").is_success


@pytest.mark.parametrize("model", ["brain_tumour", "brain_mri"])
def test_a_picture_is_predicted(service, oncoserve, model):
    picture = min((PROJECT / "build/samples/brain_mri/meningioma").iterdir())
    done = oncoserve("predict", picture, "--model", model, "--url", service.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{picture.name}: meningioma ")
    assert "Research use only" in done.stderr


def test_a_job_is_done_by_its_worker(service, oncoserve, home):
    picture = min((PROJECT / "build/samples/brain_mri/pituitary").iterdir())
    options = ["--model", "brain_tumour", "--url", service.url, "--out", home / "out", "--files", "overlay.png"]
    done = oncoserve("predict", picture, *options)
    assert done.returncode == 0, done.stderr
    assert (home / "out/images" / picture.name / "overlay.png").is_file()
    (job,) = map(json.loads, oncoserve("jobs", "--json", "--url", service.url).stdout.splitlines())
    assert (job["state"], job["progress"]["succeeded"]) == ("SUCCEEDED", 1)


def test_it_keeps_everything_in_its_data_folder_and_the_next_start_has_nothing_to_do(service, oncoserve, home):
    data = home / ".local/share/oncoserve"
    assert {path.name for path in oncoserve.folder.iterdir()} == {
        "frontend",
        "inference_server",
        "oncoserve",
        "supervision",
    }
    assert {path.name for path in data.iterdir()} == {"model_repository", "build", "results"}
    # The code that exported brain_mri in this checkout and the installed one are the same to the byte.
    assert service.output().splitlines()[0] == "brain_mri: up to date"
    assert "he_tissue: wrote model_repository/he_tissue/1/model.onnx" in service.output()
    written = {path: path.stat().st_mtime_ns for path in (data / "model_repository").rglob("*") if path.is_file()}
    done = oncoserve("models", "export")
    models = ("brain_mri", "he_tissue", "brain_tumour 1", "brain_tumour 2")
    assert done.stdout.splitlines() == [f"{model}: up to date" for model in models], done.stderr
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_ctrl_c_ends_it(service):
    assert service.stop(signal.SIGINT) == 0
    assert service.output().splitlines()[-1] == "Stopping ..."
    assert "Traceback" not in service.output()
    with pytest.raises(httpx.ConnectError):
        httpx.get(service.url)
    assert not Path(f"/proc/{service.pid}").exists()


def test_ctrl_c_while_the_launcher_is_being_loaded(service):
    """The moment when the command has become the launcher, which knows of no signals yet."""
    service.log.unlink()
    service.start()
    command = Path(f"/proc/{service.pid}/cmdline")
    while b"inference_server" not in command.read_bytes():
        assert service.process.poll() is None, service.output()
    assert service.stop(signal.SIGINT) == 0
    assert "Traceback" not in service.output()
