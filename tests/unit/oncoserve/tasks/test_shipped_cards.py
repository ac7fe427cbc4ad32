"""The cards of the shipped models say what their folders say."""

import json

import pytest

from oncoserve.prediction.model_files import Graphs, read_cards
from testbed.servers import PROJECT

REPOSITORY = PROJECT / "model_repository"
CARDS, PROBLEMS = read_cards(REPOSITORY)


def newest(name):
    versions = [path for path in (REPOSITORY / name).glob("[0-9]*") if (path / "export.json").is_file()]
    return max(versions, key=lambda path: int(path.name), default=None)


def test_every_folder_has_a_card_that_can_be_read():
    assert PROBLEMS == {}
    assert CARDS


LABELS = sorted(REPOSITORY.rglob("labels.txt"))


@pytest.mark.parametrize("path", LABELS, ids=lambda path: str(path.relative_to(REPOSITORY).parent))
def test_labels_are_the_cards_classes(path):
    name, *version = path.relative_to(REPOSITORY).parent.parts
    card = CARDS[name].of(version[0]) if version else CARDS[name].newest
    assert path.read_text().split() == [each.name for each in card.classes]


@pytest.mark.parametrize("name", CARDS)
def test_a_card_states_each_precision_that_a_configuration_can_serve(name):
    version = newest(name)
    if version is None:
        pytest.skip("not exported; run `make models`")
    stated = {each.name for each in CARDS[name].of(version.name).precisions}
    files = json.loads((version / "export.json").read_bytes())["files"]
    served = {file: Graphs().served(version, file, None) for file in files}
    assert "model.gpu.onnx" in served
    assert {each.precision for each in served.values()} <= stated
    assert all(each.weights for each in served.values()), "results state the weights too"


@pytest.mark.parametrize("name", CARDS)
def test_the_origin_is_that_of_the_newest_version(name):
    version = newest(name)
    if version is None:
        pytest.skip("not exported; run `make models`")
    origin = CARDS[name].of(version.name).origin
    recorded = Graphs().served(version, "model.onnx", None).weights
    assert (recorded.package, recorded.sha256) == (f"{origin.package} {origin.version}", origin.sha256)
    source = json.loads((version / "export.json").read_bytes())["source"]
    assert (source["file"], source["licence"]) == (origin.file, origin.licence)
