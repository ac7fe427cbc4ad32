"""What the worker processes of one service count together."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from oncoserve.runtime import sharing
from oncoserve.runtime.sharing import FOLDER_VARIABLE, SharedCounts, folder_from_environment, shared_folder

FIELDS = 2
NAME = "a model/with an odd name"

COUNT_AND_WAIT = """
import sys
from pathlib import Path
from oncoserve.runtime.sharing import SharedCounts

counts = SharedCounts(Path(sys.argv[1]), 2).of(sys.argv[2])
counts.add(1, 5)
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def another(tmp_path):
    """Another process, which has counted to five in the second field."""
    argv = [sys.executable, "-c", COUNT_AND_WAIT, str(tmp_path), NAME]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"counted\n"
        yield process
        process.kill()


def test_alone_a_process_sees_itself():
    counts = SharedCounts(None, FIELDS).of(NAME)
    counts.add(0, 2)
    counts.add(0, -1)
    assert (counts.own(0), counts.total(0), counts.total(1)) == (1, 1, 0)


def test_every_process_sees_the_sum(tmp_path, another):
    counts = SharedCounts(tmp_path, FIELDS).of(NAME)
    counts.add(1, 2)
    counts.add(0, 1)
    assert (counts.own(1), counts.total(1), counts.total(0)) == (2, 7, 1)
    assert SharedCounts(tmp_path, FIELDS).of("another model").total(1) == 0


def test_who_takes_the_place_of_the_dead_clears_it(tmp_path, another):
    watching = SharedCounts(tmp_path, FIELDS, publish=False).of(NAME)
    assert watching.total(1) == 5
    another.kill()
    another.wait()
    SharedCounts(tmp_path, FIELDS)
    assert watching.total(1) == 0


def test_who_only_watches_is_not_seen(tmp_path):
    counting = SharedCounts(tmp_path, FIELDS).of(NAME)
    watching = SharedCounts(tmp_path, FIELDS, publish=False).of(NAME)
    counting.add(0, 3)
    watching.add(0, 1)
    assert (watching.own(0), watching.total(0), counting.total(0)) == (1, 3, 3)


def test_places_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(sharing, "PROCESSES", 2)
    held = [SharedCounts(tmp_path, FIELDS) for _ in range(2)]
    with pytest.raises(RuntimeError, match="2 processes share"):
        SharedCounts(tmp_path, FIELDS)
    del held


def test_every_byte_of_a_map_has_its_room_before_it_is_used(tmp_path):
    SharedCounts(tmp_path, FIELDS).of(NAME)
    (path,) = tmp_path.glob("*.counts")
    assert path.stat().st_blocks * 512 >= path.stat().st_size == sharing.PROCESSES * FIELDS * sharing.NUMBER_BYTES


HOLD_AND_WAIT = """
import subprocess, sys, time
from pathlib import Path
from oncoserve.runtime.sharing import shared_folder

with shared_folder(Path(sys.argv[1])) as folder:
    child = subprocess.Popen(["cat"], stdout=subprocess.DEVNULL, pass_fds=[folder.lock])
    print(folder.path, flush=True)
    time.sleep(100)
"""


def test_a_folder_is_removed_at_the_end_and_that_of_a_killed_service_by_the_next(tmp_path):
    (tmp_path / "another").mkdir()
    argv = [sys.executable, "-c", HOLD_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
        left = Path(service.stdout.readline().decode().strip())
        service.kill()
        service.wait()
        with shared_folder(tmp_path) as folder:
            assert folder.path.exists()
            assert left.exists(), "a child of the service is still alive"
        service.stdin.close()
        service.stdout.close()
    deadline = time.monotonic() + 60
    while left.exists() and time.monotonic() < deadline:
        with shared_folder(tmp_path):
            time.sleep(0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["another"]


def test_the_folder_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert folder_from_environment() is None
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert folder_from_environment() == tmp_path
