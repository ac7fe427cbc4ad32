"""Asking a model about labelled pictures, beside a Triton that serves it.

`measuring` runs `python -m model_export.own.measured.asked_pictures ADDRESS REPOSITORY MODEL PICTURES.json OUT.json`.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from model_export.own.own_errors import OwnModelError
from oncoserve.errors import PlatformError
from oncoserve.inference.triton import TritonBackend
from oncoserve.pictures.decode import decode
from oncoserve.pictures.picture import Picture
from oncoserve.prediction.model_files import read_cards
from oncoserve.tasks import task_of_kind
from oncoserve.tasks.base import ServedModel, Stored, TaskResult
from oncoserve.tasks.maps.map_renderings import MaskOptions, draw_mask

ASK_S: Final = 120.0
MOST_PIXELS: Final = 100_000_000

Answer = dict[str, Any]


async def ask(address: str, repository: Path, name: str, pictures: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """What the model says of each picture, as `figures.Found` has it.

    Args:
        address: Of Triton's gRPC.
        repository: Has the model's folder.
        name: The model's.
        pictures: As `labelled.Labelled` has them.

    Raises:
        OwnModelError: The model is not what its card says, or a mask does not fit its picture.
    """
    card = read_cards(repository)[0][name].newest
    task = task_of_kind(card.task)
    if task is None:
        raise OwnModelError(f"The task {card.task} is not known")
    server = TritonBackend(address)
    try:
        version = next(each.versions[-1] for each in await server.models() if each.name == name)
        configuration = await server.configuration(name, version)
        if mismatches := task.mismatches(card, configuration):
            raise OwnModelError("; ".join(mismatches))
        model = ServedModel(card, configuration, None, task)
        return [await _told(server, model, each) for each in pictures]
    finally:
        await server.close()


async def _told(server: TritonBackend, model: ServedModel, asked: Mapping[str, Any]) -> Answer:
    try:
        return await _one(server, model, asked)
    except (PlatformError, OSError) as error:
        raise OwnModelError(f"{asked['path']} cannot be asked about: {error}") from error


async def _one(server: TritonBackend, model: ServedModel, asked: Mapping[str, Any]) -> Answer:
    data = await asyncio.to_thread(Path(asked["path"]).read_bytes)
    picture = decode(data, MOST_PIXELS, model.card.preprocessing.background)
    plan = model.task.plan(picture, model, model.task.parameters())
    for index, inputs in enumerate(plan.requests()):
        plan.accept(index, await server.infer(model.name, model.version, inputs, list(plan.outputs), timeout_s=ASK_S))
    result = plan.result()
    if model.task.kind == "segmentation":
        counts = _counts(model, picture, result, Path(asked["truth"]))
        return {"truth": None, "patient": asked["patient"], "counts": counts}
    said = {name: result.document[name] for name in ("label", "probabilities")}
    return {"truth": asked["truth"], "patient": asked["patient"], **said}


def _counts(model: ServedModel, picture: Picture, result: TaskResult, truth: Path) -> dict[str, list[int]]:
    """By class, the pixels that both have, that the model has, and that are true."""
    image = {"width": picture.width, "height": picture.height}
    document = {**result.document, "image": image, "warnings": [], "id": "", "provenance": {}}
    stored = Stored(document, result.artefacts, model.card, lambda: picture)
    mask = np.asarray(draw_mask(stored, MaskOptions(frame="upright")))
    try:
        with Image.open(truth, formats=["PNG"]) as image_of_truth:
            drawn = np.asarray(image_of_truth)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OwnModelError(f"The mask {truth} cannot be read as a PNG: {error}") from error
    if drawn.shape != mask.shape:
        raise OwnModelError(f"{truth} has {list(drawn.shape)} pixels, its picture {list(mask.shape)}")
    classes = [each.name for each in model.card.classes]
    if (highest := int(drawn.max())) > len(classes):
        numbers = ", ".join(f"{number} {name}" for number, name in enumerate(classes, 1))
        raise OwnModelError(f"{truth} has the value {highest}, which is no class's number: 0 none, {numbers[:200]}")
    counts = {}
    for number, each in enumerate(model.card.classes, 1):
        said, true = mask == number, drawn == number
        counts[each.name] = [int(np.count_nonzero(part)) for part in (said & true, said, true)]
    return counts


def _main(address: str, repository: str, name: str, pictures: str, answers: str) -> None:
    found = asyncio.run(ask(address, Path(repository), name, json.loads(Path(pictures).read_text())))
    Path(answers).write_text(json.dumps(found))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except (OwnModelError, PlatformError, OSError) as error:
        sys.exit(str(error))
