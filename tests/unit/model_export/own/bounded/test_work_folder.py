"""Folders for work go with the process that made them, however it ends."""

import subprocess
import sys
import threading

import pytest

from model_export.own.bounded.work_folder import work_folder
from model_export.own.own_errors import OwnModelError

HOLDS = """
import sys
from pathlib import Path
from model_export.own.bounded.work_folder import work_folder
with work_folder(Path(sys.argv[1]), "adding") as folder:
    (folder / "model.onnx").write_bytes(b"half")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "home/models"
    folder.mkdir(parents=True)
    return folder


def beside(repository):
    return sorted(path.name for path in repository.parent.iterdir())


def test_a_folder_goes_whatever_happens_in_it(repository):
    def interrupted():
        with work_folder(repository, "adding") as folder:
            (folder / "1").mkdir()
            assert folder.parent == repository.parent
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert beside(repository) == ["models"]


def test_what_a_killed_process_left_goes_and_what_another_one_has_stays(repository):
    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(repository)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return process, process.stdout.readline().strip().rpartition("/")[2]

    (killed, left), (working, held) = start(), start()
    try:
        killed.kill()
        killed.communicate()
        assert beside(repository) == sorted([left, held, "models"])
        with work_folder(repository, "checking") as folder:
            assert beside(repository) == sorted([held, folder.name, "models"])
        assert (repository.parent / held / "model.onnx").is_file()
    finally:
        working.communicate()
    assert beside(repository) == ["models"]


def test_what_merely_looks_like_one_stays(repository, tmp_path):
    (tmp_path / "theirs").mkdir()
    (repository.parent / ".adding-link").symlink_to(tmp_path / "theirs")
    (repository.parent / ".adding-file").write_bytes(b"")
    with work_folder(repository, "adding"):
        pass
    assert beside(repository) == [".adding-file", ".adding-link", "models"]
    assert (tmp_path / "theirs").is_dir()


def test_many_at_once_keep_their_own(repository):
    lost = []

    def work():
        for _ in range(20):
            with work_folder(repository, "adding") as folder:
                (folder / "file").write_bytes(b"x")
                if not (folder / "file").is_file():
                    lost.append(folder)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (lost, beside(repository)) == ([], ["models"])


def test_where_none_can_be_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    words = r"file cannot be written \(.*\): name another folder with --data"
    with pytest.raises(OwnModelError, match=words), work_folder(tmp_path / "file/models", "adding"):
        pass
