"""Results of DICOM images of every kind, by the tasks' own code from real tensors, as the store gives them back."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data

from oncoserve.inference.backend import ModelConfiguration, TensorSpec
from oncoserve.pictures.dicom.instance import read_instance
from oncoserve.pictures.dicom.one_frame import header_of
from oncoserve.pictures.picture import Picture
from oncoserve.results.evidence.evidence_renderings import evidence
from oncoserve.results.result_store import SOURCE
from oncoserve.tasks.base import ServedModel, Stored
from oncoserve.tasks.card import Card
from oncoserve.tasks.classification import Classification
from oncoserve.tasks.delineation import Delineation
from oncoserve.tasks.detection import Detection
from oncoserve.tasks.localisation import Localisation
from oncoserve.tasks.segmentation import Segmentation
from testbed.encoded_pictures import noise
from testbed.fakes import FP32, card

SECRET = b"a secret of the test"
CREATED = "2026-03-01T12:30:15.250+00:00"
SHA256 = "ab" * 32
SIDE = 32
IMAGE = TensorSpec("image", np.dtype(np.uint8), (SIDE, SIDE, 3))
PROBABILITIES = TensorSpec("probabilities", FP32, (3,))
GIVEN = np.array([[0.7, 0.2, 0.1]], np.float32)


def image_file(name):
    """A file of pydicom's, or of pydicom-data's."""
    return Path(pydicom.data.get_testdata_file(name, download=False))


def changed(source, change):
    """A header with some elements changed."""
    header = pydicom.dcmread(io.BytesIO(source))
    change(header)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, header)
    return buffer.getvalue()


def _card(task, **changes):
    return Card.model_validate(card(task=task).model_dump() | {"task": task} | changes)


def _blob(size=8):
    mask = np.zeros((1, size, size), np.float32)
    mask[0, 2:5, 3:6] = 0.95
    mask[0, 6, 1] = 0.9
    return mask


def _maps():
    """(1, 2, h, w) of classes that overlap."""
    maps = np.zeros((1, 3, SIDE, SIDE), np.uint8)
    maps[0, 0, 4:20, 6:18] = 220
    maps[0, 1, 12:28, 10:30] = 250
    return maps


def classified():
    return Classification(), _card("classification"), (PROBABILITIES,), {"probabilities": GIVEN}


def undetermined():
    made = _card("classification", classification={"labels": "one", "least_probability": 0.9})
    return Classification(), made, (PROBABILITIES,), {"probabilities": GIVEN}


def delineated():
    part = {"least_mask": 0.4, "least_seen": 0.3, "least_probability": 0.6, "method": "m", "caption": "c"}
    made = _card("delineation", delineation=part | {"figures": "f"})
    outputs = (PROBABILITIES, TensorSpec("mask", FP32, (8, 8)))
    return Delineation(), made, outputs, {"probabilities": GIVEN, "mask": _blob()}


def localised():
    part = {"nothing": "class_2", "least_certainty": 0.3, "method": "m", "caption": "c", "figures": "f"}
    made = _card("localisation")
    made = _card("localisation", localisation=part | {"nothing": made.classes[-1].name})
    boxes = np.zeros((1, 8, 8, 4), np.float32)
    boxes[:] = (0.25, 0.25, 0.5, 0.6)
    outputs = (PROBABILITIES, TensorSpec("heatmap", FP32, (8, 8)), TensorSpec("boxes", FP32, (8, 8, 4)))
    return Localisation(), made, outputs, {"probabilities": GIVEN, "heatmap": _blob(), "boxes": boxes}


def segmented(kind="multilabel"):
    made = _card("segmentation", segmentation={"kind": kind})
    outputs = (TensorSpec("probabilities", np.dtype(np.uint8), (3, SIDE, SIDE)),)
    return Segmentation(), made, outputs, {"probabilities": _maps()}


def detected(count=3):
    made = _card("detection", detection={"overlap": None})
    boxes = np.array([[[1 + n % 20, 2 + n % 7, 9 + n % 20, 12 + n % 7] for n in range(count)]], np.float32)
    scores = np.zeros((1, count, 3), np.float32)
    scores[0, np.arange(count), np.arange(count) % 3] = np.linspace(0.9, 0.5, count)
    outputs = (TensorSpec("boxes", FP32, (-1, 4)), TensorSpec("scores", FP32, (-1, 3)))
    return Detection(), made, outputs, {"boxes": boxes, "scores": scores}


KINDS = {each.__name__: each for each in (classified, undetermined, delineated, localised, segmented, detected)}


def stored_of(data, kind, frame=1, change=None, mm_per_px=None):
    """A result of an image, and the task that made it.

    Args:
        data: the DICOM file.
        kind: one of `KINDS`.
        frame: from 1 on.
        change: changes the header before it is kept.
        mm_per_px: millimetres per pixel, where the result knows them.
    """
    instance = read_instance(data, 10**9)
    source = header_of(instance, frame)
    if change:
        source = changed(source, change)
    picture = Picture(noise((instance.columns, instance.rows)).convert("L").convert("RGB"), "DICOM")
    task, made, outputs, tensors = kind()
    configuration = ModelConfiguration("tiny", "3", "onnxruntime", 4, (IMAGE,), outputs)
    plan = task.plan(picture, ServedModel(made, configuration, SHA256, task), task.parameters())
    for index, _ in enumerate(plan.requests()):
        plan.accept(index, tensors)
    found = plan.result()
    parameters = {} if frame == 1 else {"frame": frame}
    document = {
        "id": "f" * 32,
        "model": "tiny",
        "version": "3",
        "task": made.task,
        **found.document,
        "warnings": [{"code": each.code, "message": each.message} for each in found.warnings],
        "image": {
            "width": picture.width,
            "height": picture.height,
            "format": "DICOM",
            "orientation": 1,
            "turned": False,
            "mm_per_px": mm_per_px,
            "dicom": {"frame": frame, "frames": instance.frames},
        },
        "timings_ms": {},
        "provenance": {
            "model": "tiny",
            "version": "3",
            "model_sha256": SHA256,
            "weights": {"package": "p", "sha256": SHA256},
            "code_version": "0.1.0",
            "input_sha256": "cd" * 32,
            "parameters": parameters,
            "created": CREATED,
        },
    }
    files = {**found.artefacts, SOURCE: source}
    return task, Stored(document, files, made, lambda: picture, secret=lambda: SECRET)


def output(task, stored, name, **options):
    """One of the files, as its bytes."""
    rendering = {each.name: each for each in evidence(task, task.renderings(stored.card))}[name]
    return rendering.draw(stored, rendering.options(**options))
