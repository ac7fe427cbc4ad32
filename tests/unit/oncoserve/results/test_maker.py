from dataclasses import replace

import pytest

from oncoserve.errors import VersionNotFound
from oncoserve.results.maker import maker
from oncoserve.tasks import task_of_kind
from oncoserve.tasks.base import ServedModel
from testbed.fakes import card, classifier

RESULT = {"model": "tiny", "version": "1", "task": "classification", "probabilities": {"class0": 1, "class1": 0}}
AREAS = {"model": "tiny", "version": "1", "task": "segmentation", "areas": {}}


def served(*models):
    """Finds models by version as the catalogue does."""
    by_version = {each.version: each for each in models}

    def find(name, version):
        if version is not None and version not in by_version:
            raise VersionNotFound(name, version, by_version)
        return by_version[version or max(by_version)]

    return find


def model(version, classes=2, task="classification"):
    configuration = replace(classifier(), version=version)
    return ServedModel(card(classes=classes), configuration, None, task_of_kind(task))


def test_the_version_that_made_a_result_is_its_own():
    assert maker(RESULT, served(model("1"), model("2", 3))).version == "1"


@pytest.mark.parametrize("result", [RESULT, RESULT | {"probabilities": None}])
def test_the_newest_stands_in_where_it_answers_in_the_same_way(result):
    assert maker(result, served(model("2"), model("3"))).version == "3"


@pytest.mark.parametrize(
    ("result", "newest"),
    [(RESULT, model("2", 3)), (RESULT, model("2", 1)), (RESULT, model("2", 2, "localisation")), (AREAS, model("2"))],
)
def test_a_version_that_answers_otherwise_does_not(result, newest):
    with pytest.raises(VersionNotFound, match="no version '1' of 'tiny'; served are: 2"):
        maker(result, served(newest))
