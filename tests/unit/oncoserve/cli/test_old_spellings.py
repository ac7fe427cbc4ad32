"""`python -m client` and `python -m frontend.keys`, for one release."""

import subprocess
import sys

import pytest

from testbed.servers import PROJECT


@pytest.mark.parametrize(
    ("module", "command", "answer"),
    [
        ("client", "predict", "usage: oncoserve predict "),
        ("frontend.keys", "keys", "usage: oncoserve keys "),
    ],
)
def test_it_does_the_same_and_says_the_new_one(module, command, answer):
    argv = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.startswith(answer)) == (0, True)
    words = f"python -m {module} is now spelt `oncoserve {command}`; the old spelling goes with the next release."
    assert done.stderr.splitlines() == [words]
    done = subprocess.run([*argv[:-1], "--nonsense"], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
