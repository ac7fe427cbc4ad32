import json

import numpy as np
import pytest

from oncoserve.pictures.orientation import Frame
from oncoserve.tasks.maps.labels import BACKGROUND, Labels
from oncoserve.tasks.maps.objects import object_ids, without
from oncoserve.tasks.regions.geojson import Export, feature_collection
from oncoserve.tasks.regions.grids import object_grid
from oncoserve.tasks.regions.qupath import Classification
from testbed.models.tissue_maps import RULE
from tests.unit.oncoserve.tasks.label_grids import blobs

CLASSES = {value: Classification(name, (0, 0, 0), name) for name, value in RULE.numbers.items()}


def features(labels, shape, excluded=()):
    export = Export(excluded=excluded, keep_excluded=True)
    return json.loads(
        "".join(feature_collection(Labels(labels).for_objects(shape), Frame(1, shape[1], shape[0]), CLASSES, export))
    )["features"]


def area(ring):
    x, y = np.array(ring).T
    return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2


@pytest.mark.parametrize("shape", [(40, 60), (160, 240), (20, 30)])
def test_ids_are_those_of_the_polygons(shape):
    labels = blobs((40, 60))
    named = [each["properties"]["name"] for each in features(labels, shape)]
    assert len(set(named)) == len(named)
    assert set(named) == object_ids(Labels(labels).for_objects(shape), RULE.numbers)


@pytest.mark.parametrize("shape", [(40, 60), (20, 30)])
def test_an_excluded_object_is_background_and_exactly_as_large_as_its_polygon(shape):
    labels = object_grid(blobs((40, 60)), shape)
    for feature in features(labels, shape)[::7]:
        left = without(Labels(labels), RULE.numbers, {feature["properties"]["name"]}).values
        outline, *holes = feature["geometry"]["coordinates"]
        changed = left != labels
        assert changed.sum() == area(outline) - sum(map(area, holes))
        assert (left[changed] == BACKGROUND).all()


def test_the_others_keep_their_names_and_places():
    labels = blobs((40, 60))
    every = {each["properties"]["name"]: each["geometry"] for each in features(labels, labels.shape)}
    excluded = {"lumen-1", "epithelium-2"}
    marked = features(labels, labels.shape, excluded)
    assert {each["properties"]["name"]: each["geometry"] for each in marked} == every
    assert {each["properties"]["name"] for each in marked if each["properties"].get("excluded")} == excluded


@pytest.mark.parametrize("excluded", [set(), {"lumen-9999"}, {"lumen-0"}, {"nothing-1"}, {"lumen-1x"}])
def test_what_is_not_there_changes_nothing(excluded):
    labels = blobs((40, 60))
    assert np.array_equal(without(Labels(labels), RULE.numbers, excluded).values, labels)
