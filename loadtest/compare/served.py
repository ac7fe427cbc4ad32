"""What is served and asked for in a comparison: one model, a set of pictures, and the answers that are right."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from model_export.export_files import newest_version

_FILE_NAME: Final = r'^default_model_filename: "(.*)"$'


@dataclass(frozen=True)
class Served:
    """A model and the pictures that are sent to it.

    Attributes:
        repository: Triton's model repository, with this model alone.
        model: Its name.
        pictures: JPEG files by the kind of picture.
        tolerance: How far a probability may be from that of Pillow's pixels.
        distinct: Whether every upload is another file; see `Uploads`.
        reference: The graph whose answers are right; None: the one that is served.
    """

    repository: Path
    model: str
    pictures: Mapping[str, Sequence[bytes]]
    tolerance: float = 1e-4
    distinct: bool = True
    reference: Path | None = None

    @property
    def graph(self) -> Path:
        """The newest version's ONNX file, the one that the configuration names."""
        folder = self.repository / self.model
        named = re.search(_FILE_NAME, (folder / "config.pbtxt").read_text(), flags=re.MULTILINE)
        name = named[1] if named else "model.onnx"
        return newest_version(folder, name) / name

    @property
    def labels(self) -> list[str]:
        """Class names in the order of the output."""
        of_this_version = self.graph.parent / "labels.txt"
        if of_this_version.exists():
            return of_this_version.read_text().split()
        card = json.loads((self.repository / self.model / "card.json").read_text())
        return [each["name"] for each in card["classes"]]

    @property
    def input_name(self) -> str:
        """The name of the model's input."""
        return str(self._reference.get_inputs()[0].name)

    @cached_property
    def pixels(self) -> dict[str, list[NDArray[np.uint8]]]:
        """Every picture as Pillow decodes and resizes it, by kind: (side, side, 3) uint8 RGB."""
        return {kind: [_preprocess(each, self.side) for each in files] for kind, files in self.pictures.items()}

    @property
    def side(self) -> int:
        """Of what the model takes, in pixels."""
        return int(self._reference.get_inputs()[0].shape[1])

    @cached_property
    def _reference(self) -> onnxruntime.InferenceSession:
        return self.session(threads=1)

    def session(self, threads: int) -> onnxruntime.InferenceSession:
        """ONNX Runtime alone on the same graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(self.reference or self.graph, options, ["CPUExecutionProvider"])

    def expected(self, kind: str, count: int) -> list[list[float]]:
        """The right probabilities of the first pictures of a kind."""
        inputs = [{self.input_name: pixels[np.newaxis]} for pixels in self.pixels[kind][:count]]
        runs = (self._reference.run(["probabilities"], each) for each in inputs)
        return [class_means(probabilities[0]) for (probabilities,) in runs]


def class_means(probabilities: NDArray[np.generic]) -> list[float]:
    """One number a class, 0 to 1: of (C,) float as they are, of a map (C, H, W) uint8 the mean over its pixels."""
    if probabilities.dtype == np.uint8:
        return [float(plane.mean()) / 255 for plane in probabilities]
    return [float(value) for value in probabilities]


def _preprocess(picture: bytes, side: int) -> NDArray[np.uint8]:
    """Decode a JPEG and resize it with Pillow's bicubic filter, to (side, side, 3) uint8 RGB."""
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))


def without_batching(configuration: str) -> str:
    """A config.pbtxt that does not say `dynamic_batching` any more."""
    return re.sub(r"^dynamic_batching \{ \}$", "", configuration, flags=re.MULTILINE)


def one_at_a_time(configuration: str) -> str:
    """A config.pbtxt with batches of one picture."""
    return re.sub(r"batch_size: \d+", "batch_size: 1", without_batching(configuration))


def two_instances(configuration: str) -> str:
    """A config.pbtxt with two instances of one thread each."""
    threads = 'parameters { key: "intra_op_thread_count" value { string_value: "1" } }'
    return re.sub(r"\bcount: 1$", "count: 2", configuration, flags=re.MULTILINE) + threads + "\n"


def without_file_name(configuration: str) -> str:
    """A config.pbtxt that serves model.onnx, which is the FP32 graph."""
    return re.sub(_FILE_NAME, "", configuration, flags=re.MULTILINE)
