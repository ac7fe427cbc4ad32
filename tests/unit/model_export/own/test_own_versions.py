"""Another version of a model that was added, and the way back: the folder can be read at every moment."""

import json
import shutil

import onnxruntime
import pytest

from model_export.own import adding, one_execution, own_versions
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted
from oncoserve.prediction.model_files import check_labels, read_cards
from tests.unit.model_export.own.graphs import classifier

SAID = {"name": "theirs", "task": "classification", "classes": ["a", "b", "c"]}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder of models; Triton's part is computed by ONNX Runtime."""

    def execute(repository, model, image, work):
        (graph,) = (repository / model).glob("*/model.onnx")
        return {"probabilities": onnxruntime.InferenceSession(graph).run(None, {"image": image})[0]}

    monkeypatch.setattr(one_execution, "execute", execute)
    return tmp_path / "models"


def add(repository, *, another=True, graph=None, **said):
    path = classifier(repository.parent / "theirs.onnx", **(graph or {}))
    return adding.add(path, Wanted.of(SAID | said), repository, [], lambda _: None, another_version=another)


def cards(repository):
    found, problems = read_cards(repository)
    assert problems == {}
    return found["theirs"]


@pytest.fixture
def first(repository):
    return add(repository, another=False, title="The first")


def test_a_new_version_is_beside_the_old_one_with_a_card_of_its_own(repository, first):
    second = add(repository, title="The second", classes=["c", "b", "a"])
    assert (first.name, second.name, second.parent) == ("1", "2", first.parent)
    found = cards(repository)
    assert (found.newest.title, found.of("2").title, found.of("1").title) == ("The second", "The second", "The first")
    for version in ("1", "2"):
        check_labels(second.parent, version, "", found.of(version))
    assert add(repository).name == "3"


def test_back_to_the_version_before(repository, first):
    add(repository, title="The second")
    add(repository, title="The third")
    assert own_versions.roll_back(repository, "theirs") == ("3", "2")
    assert cards(repository).newest.title == "The second"
    assert own_versions.roll_back(repository, "theirs") == ("2", "1")
    assert cards(repository).newest.title == "The first"
    with pytest.raises(OwnModelError, match="has version 1 alone"):
        own_versions.roll_back(repository, "theirs")
    assert sorted(each.name for each in repository.parent.iterdir()) == ["models", "theirs.onnx"]


def test_after_the_way_back_another_version_can_come(repository, first):
    add(repository, title="The second")
    own_versions.roll_back(repository, "theirs")
    assert add(repository, title="Another second").name == "2"
    assert cards(repository).newest.title == "Another second"


@pytest.mark.parametrize("graph", [{"size": (16, 16)}, {"batch": 1, "reshape_to": 1}])
def test_other_tensors_are_another_model(repository, first, graph):
    before = {path: path.read_bytes() for path in first.parent.rglob("*") if path.is_file()}
    with pytest.raises(OwnModelError, match="give it another --name"):
        add(repository, graph=graph)
    assert {path: path.read_bytes() for path in first.parent.rglob("*") if path.is_file()} == before


def test_there_has_to_be_one_before(repository):
    with pytest.raises(OwnModelError, match="that this could be another version of"):
        add(repository)


def test_a_model_that_was_not_added_gets_no_version(repository, first):
    record = json.loads((first / "export.json").read_text())
    del record["given"]
    (first / "export.json").write_text(json.dumps(record))
    with pytest.raises(OwnModelError, match="was not made by `oncoserve models add`"):
        add(repository)


def test_killed_at_any_step_the_folder_can_be_read(repository, first, monkeypatch, tmp_path):
    """What was done up to a step stays; a version that is not there yet changes nothing that is served."""
    kept, steps = tmp_path / "kept", []
    with monkeypatch.context() as patched:
        patched.setattr(own_versions, "put_in", lambda made, *_: shutil.copytree(made, kept))
        add(repository, title="The second")

    class Killed(Exception):
        pass

    def stop_at(count, real):
        def step(*arguments):
            steps.append(real.__name__)
            if len(steps) > count:
                raise Killed
            return real(*arguments)

        return step

    rename, replace, write = own_versions.os.rename, own_versions.os.replace, own_versions._write
    for count in range(8):
        steps.clear()
        made = shutil.copytree(kept, tmp_path / f"made_{count}")
        monkeypatch.setattr(own_versions.os, "rename", stop_at(count, rename))
        monkeypatch.setattr(own_versions.os, "replace", stop_at(count, replace))
        monkeypatch.setattr(own_versions, "_write", stop_at(count, write))
        with pytest.raises(Killed):
            own_versions.put_in(made, first.parent, "2")
        monkeypatch.undo()
        found = cards(repository)
        assert found.of("1").title == "The first"
        if (first.parent / "2").exists():
            assert found.of("2").title == "The second"
            break
    else:
        pytest.fail("the version never came")
