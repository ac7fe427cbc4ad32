"""What `oncoserve run` finds out before it does anything; tests/meta and tests/integration/wheel start it."""

import subprocess

import pytest

from testbed.servers import PROJECT

PATIENCE_S = 60


def test_a_data_folder_that_triton_cannot_work_in(start, tmp_path):
    process = start("run", "--data", tmp_path / "my data")
    _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, "a path with a space" in told, "--data" in told) == (2, True, True), told
    assert not (tmp_path / "my data").exists()


def test_a_data_folder_that_cannot_be_written(start, tmp_path):
    (tmp_path / "file").write_text("no folder")
    process = start("run", "--data", tmp_path / "file/data")
    _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, "Not a directory" in told, "Traceback" in told) == (2, True, False), told


@pytest.mark.parametrize("where", ["the checkout", "elsewhere"])
def test_the_command_that_make_writes_runs_the_code_of_its_checkout(tmp_path, where):
    """Called by its path, by a link, and beside a folder that is called like a package of ours."""
    checkout, elsewhere = tmp_path / "a checkout", tmp_path / "elsewhere"
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$PYTHONPATH" "$@"\n')
    python.chmod(0o755)
    subprocess.run(["make", "-f", PROJECT / "Makefile", ".venv/bin/oncoserve"], cwd=checkout, check=True)
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(checkout / ".venv/bin/oncoserve")
    cwd, command = (checkout, ".venv/bin/oncoserve") if where == "the checkout" else (elsewhere, "./link")
    done = subprocess.run(
        [command, "--version"], cwd=cwd, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.stdout.split(" -P ") == [str(checkout), "-m oncoserve --version\n"], done.stderr
