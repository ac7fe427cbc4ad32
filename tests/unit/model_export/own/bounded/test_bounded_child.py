"""A process ends in time and never outlives the one that started it."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from model_export.own.bounded.bounded_child import run_module

LONG_S = 30
SLEEPS = "import os, time; print('said', flush=True); open('pid', 'w').write(str(os.getpid())); time.sleep(600)"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of somebody's, with a module `sleeps`."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/sleeps.py").write_text(SLEEPS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def gone(pid):
    deadline = time.monotonic() + LONG_S
    with contextlib.suppress(psutil.NoSuchProcess):  # it may end between two looks
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    return True


def test_it_tells_its_exit_code_and_what_it_said(elsewhere):
    (elsewhere / "modules/ends.py").write_text("print('so it is'); raise SystemExit(7)")
    assert run_module("ends", [], LONG_S) == (7, "so it is\n")


def test_a_module_of_the_current_folder_is_none_of_ours(elsewhere):
    (elsewhere / "numpy.py").write_text("raise SystemExit('theirs was run')")
    (elsewhere / "modules/looks.py").write_text("import numpy; print(numpy.__name__)")
    assert run_module("looks", [], LONG_S) == (0, "numpy\n")


def test_one_that_takes_too_long_is_ended(elsewhere):
    with pytest.raises(TimeoutError):
        run_module("sleeps", [], 0.5)
    pid = Path("pid")
    assert not pid.exists() or gone(int(pid.read_text()))


def test_one_whose_starter_is_killed_is_ended(elsewhere):
    starter = "from model_export.own.bounded.bounded_child import run_module; run_module('sleeps', [], 600)"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(elsewhere / "modules")])}
    with subprocess.Popen([sys.executable, "-c", starter], env=environ) as process:
        deadline = time.monotonic() + LONG_S
        while not (Path("pid").is_file() and Path("pid").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    assert gone(int(Path("pid").read_text()))
