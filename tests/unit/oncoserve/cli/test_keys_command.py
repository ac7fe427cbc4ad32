"""`oncoserve keys`, as an operator types it."""

import os
import subprocess
import sys

import pytest

from oncoserve.keys import KeyFile, read_keys
from testbed.servers import PROJECT


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def command(path):
    def run(*arguments, **variables):
        env = os.environ | {"ONCO_API_KEYS_FILE": str(path)} | variables
        argv = [sys.executable, "-m", "oncoserve", "keys", *arguments]
        return subprocess.run(argv, cwd=PROJECT, env=env, capture_output=True, text=True)

    return run


def test_new_prints_the_key_once_and_adds_its_hash(command, path):
    path.write_text("# our keys")  # without an end of line
    first, second = command("new", "ward-7"), command("new", "lab", "--per-min", "90")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    found = [KeyFile(path).find(done.stdout.strip().encode()) for done in (first, second)]
    assert [(key.name, key.per_min) for key in found] == [("ward-7", None), ("lab", 90)]
    assert path.read_text().startswith("# our keys\nward-7 ")
    assert first.stdout.strip() not in path.read_text() + first.stderr


def test_a_name_gets_a_second_key_only_when_told_so(command, path):
    command("new", "lab")
    refused = command("new", "lab")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "'lab' has a key" in refused.stderr
    assert command("new", "lab", "--replace").returncode == 0
    assert [key.name for key in read_keys(path)] == ["lab", "lab"]


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["new", "../x"], {}, "expected"),
        (["new", "lab"], {"ONCO_API_KEYS_FILE": ""}, "Say which file"),
        (["new", "lab"], {"ONCO_API_KEYS_FILE": "/proc/none/keys"}, "No such file"),
        (["new", "lab", "--per-min", "-5"], {}, "expected"),
        (["new", "lab", "--per-min", "1000001"], {}, "from 0 to 1000000, got '1000001'"),
        ([], {}, "required"),
    ],
)
def test_what_cannot_be_done_is_told(command, arguments, variables, message):
    done = command(*arguments, **variables)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
