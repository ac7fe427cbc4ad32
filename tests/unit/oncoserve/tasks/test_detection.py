"""Boxes from a model's answer to what a caller gets, for any threshold."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import InferenceFailed
from oncoserve.inference.backend import ModelConfiguration, TensorSpec
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import ServedModel, Stored
from oncoserve.tasks.card import Card
from oncoserve.tasks.detected import best
from oncoserve.tasks.detection import (
    Detection,
    DetectionOverlayOptions,
    DetectionPolygonOptions,
    DetectionView,
    draw_overlay,
    write_polygons,
)
from oncoserve.tasks.picture_fit import Fit
from testbed.fakes import card

TASK = Detection()
SIDE = 100
IMAGE = TensorSpec("image", np.dtype(np.uint8), (SIDE, SIDE, 3))
BOXES = TensorSpec("boxes", np.dtype(np.float32), (-1, 4))
SCORES = TensorSpec("scores", np.dtype(np.float32), (-1, 2))
PROVENANCE = {"model": "cells"}


def cells_card(**part):
    classes = [
        {"name": name, "title": name.title(), "colour": colour, "description": ""}
        for name, colour in (("mitosis", "#ff0000"), ("other", "#00ff00"))
    ]
    fields = {"task": "detection", "classes": classes, "detection": part}
    return Card.model_validate(card("cells").model_dump() | fields)


def model(made=None, **changes):
    fields = {"inputs": (IMAGE,), "outputs": (BOXES, SCORES), "max_batch_size": 4} | changes
    return ServedModel(made or cells_card(), ModelConfiguration("cells", "1", "onnxruntime", **fields), None, TASK)


def picture(width=200, height=100):
    return Picture(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)), "PNG"
    )


def run(boxes, scores, shown=None, **part):
    plan = TASK.plan(shown or picture(), model(cells_card(**part)), TASK.parameters())
    (request,) = plan.requests()
    assert request["image"].shape == (1, SIDE, SIDE, 3)
    plan.accept(0, {"boxes": np.array([boxes], np.float32), "scores": np.array([scores], np.float32)})
    return plan.result()


def stored(found, shown, **part):
    image = {"height": shown.height, "width": shown.width, "orientation": 1}
    document = {"id": "f" * 32, "image": image, "warnings": [], "provenance": PROVENANCE, **found.document}
    return Stored(document, found.artefacts, cells_card(**part), lambda: shown)


FOUND = ([[10, 10, 30, 30], [11, 11, 31, 31], [60, 60, 90, 90]], [[0.9, 0.0], [0.8, 0.0], [0.1, 0.4]])


def test_boxes_are_in_pixels_of_the_picture_the_best_first_and_each_once():
    document = run(*FOUND).document
    assert document["counts"] == {"mitosis": 1, "other": 1}
    assert [each["label"] for each in document["boxes"]] == ["mitosis", "other"]
    assert document["boxes"][0] == {"label": "mitosis", "score": 0.9, "x": 20, "y": 10, "width": 40, "height": 20}
    assert document["threshold"] == 0.25


@pytest.mark.parametrize(("overlap", "count"), [(0.45, 2), (0.9, 3), (None, 3)])
def test_what_covers_the_same_is_left_out_as_far_as_the_card_says(overlap, count):
    assert len(run(*FOUND, overlap=overlap).document["boxes"]) == count


def test_boxes_of_two_classes_do_not_suppress_each_other():
    same = [[10, 10, 30, 30]] * 2
    assert run(same, [[0.9, 0], [0, 0.8]]).document["counts"] == {"mitosis": 1, "other": 1}


def test_another_threshold_shows_others_without_inference():
    shown = picture()
    here = stored(run(*FOUND), shown)
    counts = {
        threshold: TASK.review(here, DetectionView(threshold=threshold))["counts"]
        for threshold in (0.05, 0.4, 0.41, 0.9, 0.95)
    }
    assert counts == {
        0.05: {"mitosis": 2, "other": 1},  # the third box is a weak mitosis, too
        0.4: {"mitosis": 1, "other": 1},
        0.41: {"mitosis": 1, "other": 0},
        0.9: {"mitosis": 1, "other": 0},
        0.95: {"mitosis": 0, "other": 0},
    }
    assert TASK.review(here, DetectionView())["threshold"] == 0.25


def test_nothing_found_is_a_result():
    document = run([[0, 0, 0, 0]], [[0, 0]]).document
    assert (document["boxes"], document["counts"]) == ([], {"mitosis": 0, "other": 0})
    empty = run(np.zeros((0, 4)), np.zeros((0, 2)))
    assert empty.document["boxes"] == []


def test_a_letterboxed_picture_gets_its_places_back():
    made = Card.model_validate(
        cells_card().model_dump()
        | {"preprocessing": {"resize_filter": "box", "background": "#000000", "fit": "letterbox"}}
    )
    shown = picture()
    plan = TASK.plan(shown, model(made), TASK.parameters())
    list(plan.requests())
    boxes, scores = [[0, 25, 50, 75], [0, 0, 100, 20]], [[0.9, 0], [0.8, 0]]
    plan.accept(0, {"boxes": np.array([boxes], np.float32), "scores": np.array([scores], np.float32)})
    (box,) = plan.result().document["boxes"]  # the other one is on the rim
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 100, 100)


def test_the_overlay_shows_the_boxes_and_the_layer_their_scores():
    shown = picture()
    here = stored(run(*FOUND), shown)
    assert draw_overlay(here, DetectionOverlayOptions()).mode == "RGB"
    layer = draw_overlay(here, DetectionOverlayOptions(base="none", threshold=0.5))
    assert layer.size == (200, 100)
    assert layer.getpixel((20, 20))[:3] == (255, 0, 0)
    assert layer.getpixel((130, 70))[3] == 0  # under the threshold
    strengths = TASK.renderings(here.card)[0].layer.strengths(here)
    assert tuple(strengths[20, 20]) == (1, int(0.9 * 255) + 1, 0)
    assert tuple(strengths[70, 120]) == (2, int(0.4 * 255) + 1, 0)


def test_polygons_are_detections_of_qupath():
    collection = json.loads("".join(write_polygons(stored(run(*FOUND), picture()), DetectionPolygonOptions())))
    first, second = collection["features"]
    assert first["geometry"]["coordinates"] == [[[20, 10], [60, 10], [60, 30], [20, 30], [20, 10]]]
    assert (first["properties"]["objectType"], first["properties"]["measurements"]) == (
        "detection",
        {"Oncoserve: Score": 0.9},
    )
    assert second["properties"]["classification"]["name"] == "Other"
    assert collection["provenance"]["drawn_with"]["threshold"] == 0.25


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        ([[0, 0, 1]], [[0.1, 0.2]]),
        ([[0, 0, 1, 1]], [[0.1]]),
        ([[0, 0, 1, np.nan]], [[0.1, 0.2]]),
        ([[0, 0, 1, 1]], [[0.1, 1.2]]),
        ([[0, 0, 1, 1]], [[0.1, 0.2], [0.1, 0.2]]),
    ],
)
def test_an_answer_that_is_none_is_refused(boxes, scores):
    with pytest.raises(InferenceFailed):
        run(boxes, scores)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inputs": ()}, r"expected one input of uint8 \[H, W, 3\], got none"),
        ({"outputs": (BOXES,)}, r"expected output scores float32 \[N, 2\], got boxes"),
        ({"max_batch_size": 0}, "max_batch_size of at least 1, got 0"),
    ],
)
def test_mismatches(changes, reason):
    found = TASK.mismatches(cells_card(), model(**changes).configuration)
    assert re.search(reason, "; ".join(found))
    assert TASK.mismatches(cells_card(), model().configuration) == []
    assert "expected detection, got none" in TASK.mismatches(card("cells"), model().configuration)[-1]


def test_of_very_many_boxes_the_best_are_kept():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 90, (5000, 2))
    boxes = np.concatenate([corners, corners + 4], axis=1).astype(np.float32)
    scores = random.uniform(0.1, 1, (5000, 2)).astype(np.float32)
    part = cells_card(most=50).detection
    rows = best(boxes, scores, part, Fit((0, 0, SIDE, SIDE), (0, 0, SIDE, SIDE), (SIDE, SIDE)))
    assert rows.shape == (50, 6)
    assert (np.diff(rows[:, 4]) <= 0).all()
    assert rows[0, 4] == scores.max()
