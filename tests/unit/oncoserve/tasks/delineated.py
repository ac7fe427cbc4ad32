"""A small model that delineates, what it may answer, and the result of that: made, stored, and as polygons."""

import json
from dataclasses import replace

import numpy as np

from oncoserve.inference.backend import TensorSpec
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import RenderingOptions, ServedModel, Stored
from oncoserve.tasks.delineation import Delineation, DelineationParameters, write_polygons
from testbed.encoded_pictures import noise
from testbed.fakes import FP32, card, classifier

TASK = Delineation()
LIMITS = {"least_mask": 0.4, "least_seen": 0.3, "least_probability": 0.6, "most_strangeness": 2.0}
CARD = card(task="delineation", delineation=LIMITS | {"coverage": 0.9, "method": "m", "caption": "c", "figures": "f"})
MASK = TensorSpec("mask", FP32, (8, 8))
STRANGENESS = TensorSpec("strangeness", FP32, (1,))


def configuration(*outputs, classes=3):
    made = classifier(classes=classes)
    return replace(made, outputs=(*made.outputs, *outputs))


MODEL = ServedModel(CARD, configuration(MASK, STRANGENESS), None, TASK)


def grey(size=(80, 160)):
    return Picture(noise(size).convert("L").convert("RGB"), "PNG")


def mask_of(*cells, high=0.9):
    mask = np.zeros((1, 8, 8), np.float32)
    for row, column in cells:
        mask[0, row, column] = high
    return mask


BLOCK = [(row, column) for row in (2, 3, 4) for column in (3, 4)]


def answer(mask=None, probabilities=(0.8, 0.15, 0.05), strangeness=0.5):
    return {
        "probabilities": np.array([probabilities], np.float32),
        "mask": mask_of(*BLOCK) if mask is None else mask,
        "strangeness": np.array([[strangeness]], np.float32),
    }


def result(tensors, picture=None, mm_per_px=None, model=MODEL):
    plan = TASK.plan(picture or grey(), model, DelineationParameters(mm_per_px=mm_per_px))
    list(plan.requests())
    plan.accept(0, tensors)
    return plan.result()


def stored(found, picture=None, orientation=1):
    picture = picture or grey()
    image = {"width": picture.width, "height": picture.height, "orientation": orientation}
    document = {**found.document, "id": "f" * 32, "provenance": {"model": "tiny"}, "image": image}
    return Stored(document, found.artefacts, CARD, lambda: picture)


def polygons_of(here, **options):
    return json.loads("".join(write_polygons(here, RenderingOptions(**options))))
