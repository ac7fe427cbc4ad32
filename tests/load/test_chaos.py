"""The short form of the chaos, and that it can fail."""

import subprocess
import sys

import pytest

from testbed.servers import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("embedded_triton")]


def chaos(folder, *arguments):
    command = [sys.executable, "-m", "loadtest.chaos", "--out", folder, *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)


@pytest.mark.long
def test_the_service_gets_over_the_short_form(tmp_path):
    done = chaos(tmp_path, "--short", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in (tmp_path / "chaos.md").read_text()


@pytest.mark.long
def test_a_bound_that_is_not_held_fails_it(tmp_path):
    """Nothing is right again at once, and no service has so little memory."""
    done = chaos(tmp_path, "kill serving", "--within", "0.001", "--max-mib", "1", "--jobs", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    report = (tmp_path / "chaos.md").read_text()
    assert "kill serving process: not right within 0.001 s" in report
    assert "MiB, at most 1" in report
