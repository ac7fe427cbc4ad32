"""What is written for QuPath against what its reader keeps.

A QuPath cannot run here. `read` applies the rules of its `qupath.lib.io.QuPathTypeAdapters`, `GsonTools` and
`ROITypeAdapters` (0.4.0 and later), as they were read in QuPath's source: github.com/qupath/qupath, folder
qupath-core/src/main/java/qupath/lib/io.
"""

import json
import uuid

import numpy as np
import pytest
import shapely
from PIL import Image

from oncoserve.pictures.orientation import Frame
from oncoserve.tasks.maps.labels import Labels
from oncoserve.tasks.regions.geojson import MOST_ANNOTATIONS, Export, feature_collection
from oncoserve.tasks.regions.grids import at_original
from oncoserve.tasks.regions.qupath import Classification, feature, object_uuid
from tests.unit.oncoserve.tasks.label_grids import blobs

TYPES = {"annotation", "detection", "cell", "tile", "tmaCore", "root"}
CLASSES = {1: Classification("Lumen", (255, 200, 0), "lumen"), 2: Classification("Epithelium", (0, 80, 255), "epi")}
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read(written):
    """The object that QuPath makes of a feature: what it keeps, and nothing else."""
    properties = written["properties"]
    assert set(properties) <= {"objectType", "name", "classification", "measurements", "metadata", "excluded", "was"}
    assert properties["objectType"] in TYPES  # any other becomes an annotation
    assert isinstance(properties["name"], str)
    classification = properties["classification"]
    assert isinstance(classification["name"], str)
    assert ":" not in classification["name"]  # it would be split into a class and one derived from it
    assert len(classification["color"]) == 3
    assert all(isinstance(part, int) and 0 <= part <= 255 for part in classification["color"])
    measurements = properties["measurements"]  # a map of numbers; null would break the import
    assert all(map(is_number, measurements.values()))
    metadata = properties.get("metadata", {})
    assert all(isinstance(value, (str, int, float)) for value in metadata.values())
    geometry = shapely.from_geojson(json.dumps(written["geometry"]))
    assert geometry.is_valid
    return {
        "id": str(uuid.UUID(written["id"])),  # what is no UUID is dropped, and the object gets a random one
        "type": properties["objectType"],
        "name": properties["name"],
        "class": classification["name"],
        "ignored": classification["name"].endswith("*"),
        "measurements": measurements,
        "metadata": metadata,
        "geometry": geometry,
    }


def collection(labels, frame=None, **export):
    height, width = labels.shape
    frame = frame or Frame(1, width, height)
    found = Labels(labels).for_objects((frame.height, frame.width))
    pieces = feature_collection(found, frame, CLASSES, Export(identity=ids, **export))
    text = "".join(pieces)
    assert text.isascii()  # QuPath before 0.5 reads files in the machine's own charset
    made = json.loads(text)
    assert made["type"] == "FeatureCollection"
    return [read(each) for each in made["features"]]


def ids(name):
    return object_uuid("f" * 32, "{}", name)


def test_numbers_are_measurements():
    labels = np.zeros((6, 8), np.uint8)
    labels[1:5, 2:6] = 1
    labels[2:4, 3:5] = 0
    (found,) = collection(labels, um_per_px=0.5)
    assert found["measurements"] == {"Oncoserve: Area px^2": 12, "Oncoserve: Area \N{MICRO SIGN}m^2": 3}
    assert (found["name"], found["class"], found["type"]) == ("lumen-1", "Lumen", "annotation")
    (found,) = collection(labels)  # the resolution is not known
    assert found["measurements"] == {"Oncoserve: Area px^2": 12}


def test_the_same_object_has_the_same_id_and_others_have_others():
    labels = blobs((41, 63))
    height, width = labels.shape
    first, again = collection(labels), collection(labels, Frame(6, width, height))
    assert [each["id"] for each in first] == [each["id"] for each in again]
    assert len({each["id"] for each in first}) == len(first) > 9
    asked = [("a" * 32, '{"threshold":0.5}', "lumen-1"), ("b" * 32, '{"threshold":0.5}', "lumen-1")]
    asked += [("a" * 32, '{"threshold":0.6}', "lumen-1"), ("a" * 32, '{"threshold":0.5}', "lumen-2")]
    assert len({object_uuid(*each) for each in asked}) == 4
    # It is in QuPath's projects, so it must not change.
    assert object_uuid(*asked[0]) == "3121c7c4-ce26-55f5-9856-fafba1c0b94e"


def test_excluded_objects_are_left_out_or_of_a_class_that_qupath_ignores():
    labels = blobs((41, 63))
    every = {each["name"]: each for each in collection(labels)}
    excluded = {"lumen-1", "epi-2"}
    assert collection(labels, excluded=excluded) == [each for name, each in every.items() if name not in excluded]
    kept = {each["name"]: each for each in collection(labels, excluded=excluded, keep_excluded=True)}
    assert list(kept) == list(every)
    assert {name for name, each in kept.items() if each["ignored"]} == excluded
    assert kept["epi-2"] == every["epi-2"] | {
        "class": "Ignore*", "ignored": True, "metadata": {"Class": "Epithelium"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("count", "objects", "excluded", "kind"),
    [
        (MOST_ANNOTATIONS, "auto", (), "annotation"),
        (MOST_ANNOTATIONS + 1, "auto", (), "detection"),
        (MOST_ANNOTATIONS + 1, "auto", ("lumen-3",), "annotation"),
        (MOST_ANNOTATIONS + 1, "annotations", (), "annotation"),
        (1, "detections", (), "detection"),
    ],
)
def test_many_regions_are_detections(count, objects, excluded, kind):
    labels = np.zeros((count, 2), np.uint8)
    labels[:, 0] = np.arange(count) % 2 + 1  # each alone
    found = collection(labels, objects=objects, excluded=excluded)
    assert (len(found), {each["type"] for each in found}) == (count - len(excluded), {kind})


@pytest.mark.parametrize("shape", [(41, 63), (97, 150), (17, 23)])  # as the model's grid, finer, and coarser
@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_in_the_files_frame_are_those_of_the_turned_mask(orientation, shape):
    labels = blobs((41, 63))
    frame = Frame(orientation, shape[1], shape[0])
    lying = np.asarray(frame.image(Image.fromarray(at_original(labels, shape))))
    y, x = np.indices(lying.shape)
    for value, classification in CLASSES.items():
        regions = [each["geometry"] for each in collection(labels, frame) if each["class"] == classification.name]
        covered = shapely.contains_xy(shapely.MultiPolygon(regions), x + 0.5, y + 0.5)
        assert np.array_equal(covered, lying == value)
    for each in collection(labels, frame):  # RFC 7946, 3.1.6: outlines counterclockwise, holes clockwise
        assert each["geometry"].exterior.is_ccw
        assert not any(ring.is_ccw for ring in each["geometry"].interiors)


def test_measurements_are_named_as_ours():
    made = feature(ids("box"), SQUARE, "Box", CLASSES[1], {"Certainty": 0.91})
    assert read(made)["measurements"] == {"Oncoserve: Certainty": 0.91}
