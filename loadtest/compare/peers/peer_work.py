"""The work around the graph, which is the same in every peer, so that only the frameworks differ.

PEER_MODEL names the graph, PEER_SIDE its pictures' side in pixels, PEER_LABELS the class names, separated by commas.
"""

import os
from typing import Any, BinaryIO

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

SIDE = int(os.environ.get("PEER_SIDE", "240"))
LARGEST_BATCH, PATIENCE_S = 16, 0.005
"""Of the peers that make batches; the batch is as large as ours."""


def pixels(upload: BinaryIO | Image.Image) -> NDArray[np.uint8]:
    """Decode a JPEG and resize it: (SIDE, SIDE, 3) uint8 RGB."""
    picture = upload if isinstance(upload, Image.Image) else Image.open(upload)
    return np.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


class Graph:
    """The graph in ONNX Runtime; one thread an execution, since the server's processes or threads run in parallel."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options, ["CPUExecutionProvider"])
        self._outputs = [each.name for each in self._session.get_outputs()]
        self._labels = os.environ["PEER_LABELS"].split(",")

    def answers(self, batch: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Label and probabilities by class name, for each picture of (N, SIDE, SIDE, 3) uint8; all outputs are made."""
        outputs = dict(zip(self._outputs, self._session.run(None, {"image": batch}), strict=True))
        named = [dict(zip(self._labels, row, strict=True)) for row in outputs["probabilities"].tolist()]
        return [{"label": max(each, key=lambda name: each[name]), "probabilities": each} for each in named]
