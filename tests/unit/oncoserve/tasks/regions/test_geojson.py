import json
from types import GeneratorType

import numpy as np
import pytest
import shapely

from oncoserve.pictures.orientation import Frame
from oncoserve.tasks.maps.labels import Labels
from oncoserve.tasks.regions.geojson import Export, feature_collection
from oncoserve.tasks.regions.grids import at_original
from oncoserve.tasks.regions.qupath import Classification
from tests.unit.oncoserve.tasks.label_grids import blobs

CLASSES = {
    1: Classification("Lumen", (255, 200, 0), "lumen"),
    2: Classification("Epithelium", (0, 80, 255), "epithelium"),
}


def pieces(labels, shape):
    return feature_collection(
        Labels(labels).for_objects(shape), Frame(1, shape[1], shape[0]), CLASSES, Export(identity="id of {}".format)
    )


def parse(labels, shape):
    return json.loads("".join(pieces(labels, shape)))


def test_the_shape_that_qupath_reads():
    labels = np.zeros((2, 3), np.uint8)
    labels[0, 1] = 2
    assert parse(labels, (4, 6)) == {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": "id of epithelium-1",
                "geometry": {"type": "Polygon", "coordinates": [[[4, 0], [4, 2], [2, 2], [2, 0], [4, 0]]]},
                "properties": {
                    "objectType": "annotation",
                    "classification": {"name": "Epithelium", "color": [0, 80, 255]},
                    "name": "epithelium-1",
                    "measurements": {"Oncoserve: Area px^2": 4},
                },
            }
        ],
    }


@pytest.mark.parametrize("shape", [(40, 60), (163, 241), (80, 120), (41, 300), (17, 23), (1, 1)])
def test_polygons_have_the_area_of_the_mask(shape):
    labels = blobs((40, 60))
    mask = at_original(labels, shape)
    features = parse(labels, shape)["features"]
    for value, classification in CLASSES.items():
        found = [
            shapely.geometry.shape(feature["geometry"])
            for feature in features
            if feature["properties"]["classification"]["name"] == classification.name
        ]
        assert all(polygon.is_valid for polygon in found)
        assert sum(polygon.area for polygon in found) == np.count_nonzero(mask == value)


def test_nothing_found_is_an_empty_collection():
    assert parse(np.full((3, 3), 3, np.uint8), (9, 9)) == {"type": "FeatureCollection", "features": []}


def test_regions_are_written_one_by_one():
    chunks = pieces(blobs((40, 60)), (40, 60))
    assert isinstance(chunks, GeneratorType)
    assert max(map(len, chunks)) < len("".join(pieces(blobs((40, 60)), (40, 60)))) / 3
