import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.servers import PROJECT, Server, free_port


@pytest.fixture(scope="package")
def wheel(tmp_path_factory):
    """The wheel, built with the packages of this environment alone."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, PROJECT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="package")
def environment(wheel, tmp_path_factory):
    """A fresh environment with the locked packages and the wheel: its bin folder."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    uv("venv", "--python", sys.executable, folder)
    install = ["pip", "install", "--python", folder / "bin/python", "--no-deps"]
    uv(*install, "--require-hashes", "--requirement", PROJECT / "requirements.lock")
    uv(*install, wheel)
    return folder / "bin"


def uv(*arguments):
    # Its cache makes this environment out of hard links; filled, that takes half a second, with pip 20.
    command = [Path(sys.executable).with_name("uv"), *arguments]
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="package")
def home(model_repository, tmp_path_factory):
    """A home folder whose data folder has the weights as fetched, and brain_mri as exported: links, nothing is copied.

    The export of he_tissue, which takes seconds, is left to do.
    """
    folder = tmp_path_factory.mktemp("home")
    data = folder / ".local/share/oncoserve"
    for name in ("build/wheels", "build/samples/brain_mri", "model_repository/brain_mri/1"):
        shutil.copytree(PROJECT / name, data / name, copy_function=link)
    return folder


def link(source, target):
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@pytest.fixture(scope="package")
def oncoserve(environment, home, tmp_path_factory):
    """Runs the installed command in a folder where nothing is ours, though something is called so."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("frontend", "inference_server", "oncoserve", "supervision"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "__init__.py").write_text("raise AssertionError('not ours')")
    # As little as a login shell has; the command finds everything by itself.
    settings = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "XDG_DATA_HOME": ""}

    def run(*arguments):
        command = [str(each) for each in (environment / "oncoserve", *arguments)]
        return subprocess.run(command, cwd=elsewhere, env=settings, capture_output=True, text=True, timeout=240)

    run.folder, run.settings = elsewhere, settings
    return run


@pytest.fixture(scope="package")
def service(embedded_triton, oncoserve, environment, tmp_path_factory):
    """`oncoserve run`, on free ports."""
    names = ("ONCO_PORT", "ONCO_TRITON_GRPC_PORT", "ONCO_TRITON_STATUS_PORT", "ONCO_TRITON_METRICS_PORT")
    ports = {name: str(free_port()) for name in names}
    url = f"http://127.0.0.1:{ports['ONCO_PORT']}"
    log = tmp_path_factory.mktemp("service") / "log"
    server = Server(
        [str(environment / "oncoserve"), "run"], f"{url}/readyz", oncoserve.settings | ports, log, cwd=oncoserve.folder
    )
    server.url = url
    with server:
        yield server
