"""The files around the code: one version, locks that pin, what make does with them, nothing in git that is too much."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import oncoserve


def test_the_version_is_stated_once():
    assert tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"] == oncoserve.__version__
    assert f"## {oncoserve.__version__}" in Path("CHANGELOG.md").read_text()


def test_locks_name_no_index_and_pin_everything():
    for lock in Path().glob("requirements*.lock"):
        lines = lock.read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("--")], lock
        pins = [line for line in lines if line and not line.startswith((" ", "#"))]
        assert all("==" in pin and pin.endswith("\\") for pin in pins), lock


def pins(name):
    return {line.rstrip(" \\") for line in Path(name).read_text().splitlines() if "==" in line}


def test_the_runtime_lock_is_part_of_the_development_lock():
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_a_gpu_gets_the_same_packages_but_another_onnxruntime_and_what_it_loads():
    """Both of them in one environment would be a mixture of the two: they install the same files."""
    cpu, gpu = pins("requirements.lock"), pins("requirements-gpu.lock")
    assert {pin.partition("==")[0] for pin in cpu - gpu} == {"onnxruntime"}
    names = {pin.partition("==")[0] for pin in gpu - cpu}
    assert "onnxruntime-gpu" in names
    assert {name for name in names if not name.startswith(("nvidia-", "cuda-"))} == {"onnxruntime-gpu"}


@pytest.mark.parametrize(
    ("variables", "driver", "environment", "device"),
    [
        ([], True, ".venv", "cpu"),
        (["DEVICE=cpu", "ONCO_TRITON_DEVICE=gpu"], True, ".venv", "cpu"),
        (["DEVICE=gpu"], True, ".venv-gpu", "gpu"),
        (["DEVICE=gpu"], False, ".venv-gpu", "gpu"),
        (["ONCO_TRITON_DEVICE=gpu"], True, ".venv-gpu", "gpu"),
        (["DEVICE=auto"], True, ".venv-gpu", "auto"),
        (["DEVICE=auto"], False, ".venv", "auto"),
    ],
)
def test_make_installs_for_a_gpu_where_it_is_asked_for_or_has_a_driver(
    variables, driver, environment, device, tmp_path
):
    """With a Python that says of the driver what the test says; nothing is installed."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexit {int(not driver)}\n")
    python.chmod(0o755)
    # Of the variables, DEVICE goes to make and the setting, as a shell has it, into the environment.
    command = ["make", "--dry-run", "--always-make", "run", f"PYTHON={python}"]
    command += [variable for variable in variables if variable.startswith("DEVICE=")]
    ours = ("DEVICE", "ONCO", "MAKE", "MFLAGS")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    inherited |= dict(variable.split("=") for variable in variables if variable.startswith("ONCO"))
    lines = subprocess.run(command, capture_output=True, text=True, check=True, env=inherited).stdout.splitlines()
    assert lines[-1] == f"ONCO_TRITON_DEVICE={device} {environment}/bin/oncoserve run"
    (installation,) = [line for line in lines if "pip install" in line]
    assert installation.startswith(f"{environment}/bin/python ")
    assert installation.endswith(f"requirements{environment.removeprefix('.venv')}.lock")
    download = [
        line for line in lines if "1.6 GB to download" in line and lines.index(line) < lines.index(installation)
    ]
    assert bool(download) is (environment == ".venv-gpu")
    assert bool([line for line in lines if "no NVIDIA driver" in line]) is (device == "auto" and not driver)


def test_development_beside_a_gpu_is_without_the_onnxruntime_of_the_cpu():
    command = ["make", "--dry-run", "--always-make", ".venv-gpu/.dev", "DEVICE=gpu"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (line,) = [line for line in lines if "requirements-dev.lock" in line]
    passed_on, _, installation = line.partition(" | ")
    assert installation.startswith(".venv-gpu/bin/python -m pip install")
    given = subprocess.run(passed_on, shell=True, capture_output=True, text=True, check=True).stdout  # noqa: S602
    blocks = re.split(r"^(?=\S)", Path("requirements-dev.lock").read_text(), flags=re.MULTILINE)
    assert given == "".join(block for block in blocks if not block.startswith("onnxruntime=="))


@pytest.mark.parametrize(("device", "module"), [("cpu", "compare"), ("gpu", "batching")])
def test_make_compares_on_a_gpu_what_batches_are_worth(device, module):
    command = ["make", "--dry-run", "compare", f"DEVICE={device}", "COMPARE_ARGS=--rounds 1"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (line,) = [line for line in lines if " -m loadtest." in line]
    assert line.endswith(f" -m loadtest.{module} --rounds 1")


def test_make_names_the_devices_that_there_are():
    done = subprocess.run(["make", "--dry-run", "run", "DEVICE=tpu"], capture_output=True, text=True)
    assert done.returncode != 0
    assert 'DEVICE is "tpu": it is cpu, gpu or auto.' in done.stderr


def tracked():
    files = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout.decode().split("\0")
    return [Path(name) for name in files if name and Path(name).exists()]


def test_nothing_large_is_tracked():
    limits = {path: 3_000_000 if path.suffix == ".onnx" else 1_000_000 for path in tracked()}
    assert [path for path, limit in limits.items() if path.stat().st_size > limit] == []


def test_clean_removes_nothing_that_is_tracked():
    done = subprocess.run(["make", "--dry-run", "clean"], capture_output=True, text=True, check=True)
    (command,) = [line.split() for line in done.stdout.splitlines() if line.startswith("rm ")]
    removed = [Path(word) for word in command[2:]]
    assert Path("build") in removed
    assert [path for path in tracked() for each in removed if path.is_relative_to(each)] == []
