"""A file is whole or not there, whatever happens while it is written."""

import os
import signal
import subprocess
import sys

import pytest

from oncoserve.runtime.files import write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_written_with_its_folder_and_replaced(tmp_path, durable):
    path = tmp_path / "new" / "folder" / "file"
    for content in (b"first", b"and longer"):
        write_whole(path, content, durable=durable)
        assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_times_and_permissions_are_those_that_were_asked_for(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"x", times_ns=(10**18, 2 * 10**18), mode=0o600)
    status = path.stat()
    assert (status.st_atime_ns, status.st_mtime_ns, status.st_mode & 0o777) == (10**18, 2 * 10**18, 0o600)


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import resource, signal, sys; from pathlib import Path; from oncoserve.runtime.files import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_whole(Path(sys.argv[1]), bytes(5000))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "File too large" in done.stderr
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_that_is_killed_leaves_a_whole_file(tmp_path):
    path = tmp_path / "file"
    code = (
        "import sys; from pathlib import Path; from oncoserve.runtime.files import write_whole\n"
        "while True:\n    for letter in b'ab': write_whole(Path(sys.argv[1]), bytes([letter]) * 3_000_000)"
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code, path])
        while not path.exists():
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        content = path.read_bytes()
        assert content == content[:1] * 3_000_000
        path.unlink()


def test_a_reader_keeps_the_whole_old_file(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"the old content")
    with path.open("rb") as reader:
        write_whole(path, b"new")
        assert reader.read() == b"the old content"


def test_a_write_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError, match="file"):
        write_whole(path, b"content")
    assert list(tmp_path.iterdir()) == [path]
