"""What is served and asked for in a comparison: one model, a set of pictures, and the answers that are right."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

SIDE = 240
_FILE_NAME = r'^default_model_filename: "(.*)"$'


@dataclass(frozen=True)
class Served:
    """A model and the pictures that are sent to it.

    Attributes:
        repository: Triton's model repository, with this model alone.
        model: Its name.
        pictures: JPEG files.
        tolerance: How far a probability may be from that of Pillow's pixels.
        distinct: Whether every upload is another file; see `Uploads`.
    """

    repository: Path
    model: str
    pictures: Sequence[bytes]
    tolerance: float = 1e-4
    distinct: bool = True

    @property
    def graph(self) -> Path:
        """The newest version's ONNX file, the one that the configuration names."""
        folder = self.repository / self.model
        named = re.search(_FILE_NAME, (folder / "config.pbtxt").read_text(), flags=re.MULTILINE)
        name = named[1] if named else "model.onnx"
        return max(folder.glob(f"[0-9]*/{name}"), key=lambda path: int(path.parent.name))

    @property
    def labels(self) -> list[str]:
        """Class names in the order of the output."""
        return (self.repository / self.model / "labels.txt").read_text().split()

    @cached_property
    def pixels(self) -> list[NDArray[np.uint8]]:
        """Every picture as Pillow decodes and resizes it: (240, 240, 3) uint8 RGB."""
        return [preprocess(picture) for picture in self.pictures]

    def session(self, threads: int) -> onnxruntime.InferenceSession:
        """ONNX Runtime alone on the same graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(self.graph, options, ["CPUExecutionProvider"])

    def expected(self, count: int) -> list[list[float]]:
        """The right probabilities of the first pictures."""
        session = self.session(threads=1)
        return [
            session.run(["probabilities"], {"image": each[np.newaxis]})[0][0].tolist() for each in self.pixels[:count]
        ]


def preprocess(picture: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG and resize it with Pillow's bicubic filter, to (240, 240, 3) uint8 RGB."""
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def without_batching(configuration: str) -> str:
    """A config.pbtxt that does not say `dynamic_batching` any more."""
    return re.sub(r"^dynamic_batching \{ \}$", "", configuration, flags=re.MULTILINE)


def without_file_name(configuration: str) -> str:
    """A config.pbtxt that serves model.onnx, which is the FP32 graph."""
    return re.sub(_FILE_NAME, "", configuration, flags=re.MULTILINE)
