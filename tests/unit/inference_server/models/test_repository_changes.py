"""Which folders are told, and when."""

import shutil

import pytest

from inference_server.models.repository_changes import Changes, RepositoryChanges


@pytest.fixture
def repository(tmp_path):
    """Makes a version of a model."""

    def make(name, version="1", content="graph"):
        folder = tmp_path / name / version
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "config.pbtxt").write_text("")
        (folder / "model.onnx").write_text(content)
        return folder

    make.folder = tmp_path
    make("first")
    return make


@pytest.fixture
def changes(repository):
    found = RepositoryChanges(repository.folder)
    found.begin()
    return found


def settled(changes):
    """What is told by two looks, the first of which may see it on its way."""
    first, second = changes.look(), changes.look()
    assert first == Changes()
    return second


def test_what_was_there_is_not_told(changes):
    assert settled(changes) == settled(changes) == Changes()


def test_a_new_model_and_one_that_is_gone(repository, changes):
    repository("second")
    assert settled(changes) == Changes(load=("second",))
    assert settled(changes) == Changes()
    shutil.rmtree(repository.folder / "second")
    assert settled(changes) == Changes(unload=("second",))
    assert settled(changes) == Changes()


def test_a_folder_that_is_still_being_written_is_waited_for(repository, changes):
    for length in range(1, 5):
        repository("second", content="x" * length)
        assert changes.look() == Changes()
    assert changes.look() == Changes(load=("second",))


@pytest.mark.parametrize("part", ["config.pbtxt", "1/model.onnx"])
def test_a_folder_without_configuration_or_graph_is_no_model_yet(repository, changes, part):
    folder = repository("second").parent
    content = (folder / part).read_text()
    (folder / part).unlink()
    assert settled(changes) == Changes()
    (folder / part).write_text(content)
    assert settled(changes) == Changes(load=("second",))


def test_another_file_of_what_is_served_is_not_told(repository, changes):
    repository("first", content="another graph")
    assert settled(changes) == Changes()


def test_another_version_is_told_and_one_that_is_gone(repository, changes):
    second = repository("first", "2")
    assert settled(changes) == Changes(load=("first",))
    assert settled(changes) == Changes()
    (second / "model.onnx").unlink()  # an empty folder is none
    assert settled(changes) == Changes(load=("first",))


def test_a_version_that_was_refused_is_told_again_when_it_was_put_right_even_by_another_triton(repository, changes):
    repository("first", "2", content="broken")
    assert settled(changes) == Changes(load=("first",))
    changes.refused("first")
    changes.begin()
    assert settled(changes) == Changes()
    repository("first", "2", content="put right")
    assert settled(changes) == Changes(load=("first",))


def test_a_model_that_was_refused_is_told_again_when_it_was_put_right(repository, changes):
    repository("second", content="broken")
    assert settled(changes) == Changes(load=("second",))
    changes.refused("second")
    assert settled(changes) == Changes()
    repository("second", content="put right")
    assert settled(changes) == Changes(load=("second",))
    assert settled(changes) == Changes()


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("A B", "1", "a model's name has 1 to 64"),
        ("naïve", "1", "a model's name has 1 to 64"),
        ("x" * 65, "1", "a model's name has 1 to 64"),
        ("second", "9" * 30, "a version 999999999999999999999999999999, and the largest is 9223372036854775807"),
        ("first", str(2**63), "a version 9223372036854775808"),
    ],
)
def test_what_triton_would_end_over_is_told_once_and_never_loaded(repository, changes, name, version, words):
    repository(name, version)
    found = settled(changes)
    assert (found.load, found.unload, [each for each, _ in found.unfit]) == ((), (), [name])
    assert words in found.unfit[0][1]
    assert settled(changes) == Changes()


def test_the_largest_version_that_triton_reads_is_fit(repository, changes):
    repository("second", str(2**63 - 1))
    assert settled(changes) == Changes(load=("second",))


def test_a_disk_that_is_away_unloads_nothing(repository, changes):
    away = repository.folder.rename(repository.folder.with_name("away"))
    assert settled(changes) == Changes()
    repository.folder.mkdir()  # the point that it is mounted at
    assert settled(changes) == Changes()
    repository.folder.rmdir()
    away.rename(repository.folder)
    assert settled(changes) == Changes()


@pytest.mark.parametrize("name", [".adding-x", "notes.txt"])
def test_what_is_no_model_is_not_told(repository, changes, name):
    if name.startswith("."):
        repository(name)
    else:
        (repository.folder / name).write_text("x")
    assert settled(changes) == Changes()
