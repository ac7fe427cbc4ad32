"""What the files say that others publish beside their models, in the words of `Wanted`."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from model_export.own.own_errors import OwnModelError
from model_export.own.placement import CHANNELS

Said = dict[str, Any]
PLANE: Final = 2  # axes of a picture


def read_published(way: str, graph: Path, config: Path | None) -> Said:
    """What is published beside a graph.

    Args:
        way: `wsinfer` or `monai`.
        graph: The ONNX file.
        config: The file to read; left out, it is looked for where the way has it.

    Raises:
        OwnModelError: There is no such file, or it describes what cannot be served.
    """
    places, read = WAYS[way]
    there = [config] if config else [graph.parent / each for each in places]
    path = next((each for each in there if each.is_file()), None)
    if path is None:
        raise OwnModelError(f"There is no {' or '.join(map(str, there))}: name it with --config")
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise OwnModelError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise OwnModelError(f"{path} is no description of a model: expected an object of JSON")
    try:
        return read(found)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise OwnModelError(f"{path} is not as {way} has it: {type(error).__name__} {error}") from error


def _wsinfer(config: Mapping[str, Any]) -> Said:
    """A WSInfer model's config.json: a classifier of patches."""
    said: Said = {"task": "classification", "classes": names(config["class_names"])}
    size, spacing = config["patch_size_pixels"], config["spacing_um_px"]
    said["modality"] = f"Patches of {size} x {size} pixels at {spacing:g} micrometres per pixel"
    if title := config.get("name"):
        said["title"] = str(title)
    scaled = False
    for step in config["transform"]:
        given = step.get("arguments") or {}
        if step["name"] == "Resize":
            side = given["size"]
            said["height"], said["width"] = side if isinstance(side, list) else (side, side)
        elif step["name"] == "ToTensor":
            scaled = True
        elif step["name"] == "Normalize":
            said |= {"mean": given["mean"], "std": given["std"]}
        else:
            raise OwnModelError(f"The transform {step['name']} of WSInfer is not known here")
    return said if scaled else {**said, "scale": 1.0}


def _monai(metadata: Mapping[str, Any]) -> Said:
    """A MONAI bundle's metadata.json: its input and its output."""
    data = metadata["network_data_format"]
    (taken,), (given,) = data["inputs"].values(), data["outputs"].values()
    shape = [each for each in taken["spatial_shape"] if isinstance(each, int)]
    if len(taken["spatial_shape"]) != PLANE:
        raise OwnModelError(f"The bundle takes {len(taken['spatial_shape'])}D volumes; pictures have 2 dimensions")
    if taken["num_channels"] not in CHANNELS:
        raise OwnModelError(f"The bundle takes {taken['num_channels']} channels; pictures have 3, or 1 for grey")
    said: Said = {}
    if len(shape) == PLANE:
        said["height"], said["width"] = shape
    low, high = taken.get("value_range") or (0, 1)
    said["scale"] = (high - low) / 255
    if low:
        said["mean"] = [-low]
    channels = given.get("channel_def") or {}
    said["task"] = "segmentation" if given.get("format") == "segmentation" else "classification"
    if channels:
        said["classes"] = names(channels[each] for each in sorted(channels, key=int))
    for ours, theirs in (("title", "name"), ("intended_use", "intended_use"), ("licence", "license")):
        if metadata.get(theirs):
            said[ours] = str(metadata[theirs])
    return said


def names(texts: Iterable[Any]) -> list[str]:
    """Names of classes as they may be here: letters, digits, `_`, `.` and `-`."""
    return [re.sub(r"[^A-Za-z0-9_.-]+", "_", str(each).strip()).strip("_.-")[:64] or "class" for each in texts]


WAYS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Said]]]] = {
    "wsinfer": (("config.json",), _wsinfer),
    "monai": (("metadata.json", "configs/metadata.json", "../configs/metadata.json"), _monai),
}
