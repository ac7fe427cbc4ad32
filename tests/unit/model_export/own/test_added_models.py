"""Looking again at a model whose folder somebody edited, and taking it away. Triton's part is in integration/cli."""

import os
import shutil

import pytest

from model_export.own import one_execution
from model_export.own.added_models import check, remove
from model_export.own.own_errors import OwnModelError
from testbed.fakes import card


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models/theirs/1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"graph")
    (folder / "export.json").write_text('{"given": {}, "files": {}}')
    (folder.parent / "card.json").write_text(card("theirs").model_dump_json())
    return tmp_path / "models"


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        "{",
        "[" * 100_000,
        '{"given": 1}',
        '{"files": []}',
        '{"files": null}',
        '{"files": {"model.onnx": 1}}',
        '{"files": {"model.onnx": {}}}',
    ],
    ids=len,
)
def test_a_record_that_somebody_edited_is_told(repository, record):
    (repository / "theirs/1/export.json").write_text(record)
    with pytest.raises(OwnModelError, match=r"1/export\.json is not as `oncoserve models add` writes it") as told:
        check(repository, "theirs")
    assert len(str(told.value)) < 300


def test_a_graph_that_somebody_swapped_is_told(repository):
    (repository / "theirs/1/export.json").write_text('{"files": {"../../1/model.onnx": {"sha256": "abc"}}}')
    with pytest.raises(OwnModelError, match=r"1/model\.onnx has sha256 .*, its record says abc"):
        check(repository, "theirs")


def test_a_folder_that_cannot_be_copied_is_told(repository):
    os.mkfifo(repository / "theirs/pipe")
    words = r"theirs cannot be copied to be looked at: .*pipe"
    with pytest.raises(OwnModelError, match=words), one_execution.alone(repository, "theirs"):
        pass
    assert [path.name for path in repository.parent.iterdir()] == ["models"]


@pytest.mark.parametrize("name", ["", ".", "..", "nobody", "theirs/1", "/etc", "../models"])
@pytest.mark.parametrize("command", [check, remove])
def test_what_is_no_model_of_the_repository_is_told(repository, command, name):
    with pytest.raises(OwnModelError, match=r"has no model .*; there is: theirs"):
        command(repository, name)
    assert (repository / "theirs/1/model.onnx").is_file()


def test_a_model_without_a_version_is_told(repository):
    shutil.rmtree(repository / "theirs/1")
    with pytest.raises(OwnModelError, match="theirs has no version, which is a folder that a number names"):
        remove(repository, "theirs")


def test_a_linked_model_goes_and_what_it_links_to_stays(repository, tmp_path):
    (repository / "theirs").rename(tmp_path / "elsewhere")
    (repository / "theirs").symlink_to(tmp_path / "elsewhere")
    remove(repository, "theirs")
    assert list(repository.iterdir()) == []
    assert (tmp_path / "elsewhere/1/model.onnx").is_file()
