"""The features of pictures, by the convolutions of an exported graph."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from PIL import Image

from model_export.brain_mri import SIDE, TELLING
from model_export.graph import GraphEditor, replace
from model_export.strangeness.distance_nodes import add_features
from model_export.verify import open_session, run

BATCH: Final = 8


class PooledFeatures:
    """What `strangeness` is computed of.

    Args:
        graph: an exported one, in FP32 or INT8.
    """

    def __init__(self, graph: Path) -> None:
        model = onnx.load(graph)
        editor = GraphEditor(model.graph)
        replace(model.graph.output, [helper.make_tensor_value_info(TELLING, TensorProto.FLOAT, None)])
        editor.prune()  # what is in the graph already goes, so that its names are free
        add_features(editor, TELLING, "features")
        replace(model.graph.output, [helper.make_tensor_value_info("features", TensorProto.FLOAT, None)])
        self._session = open_session(model.SerializeToString())

    def of(self, pictures: Sequence[Image.Image]) -> npt.NDArray[Any]:
        """(N, F) float32 of pictures of any size and mode."""
        found = []
        for first in range(0, len(pictures), BATCH):
            resized = [
                np.asarray(each.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
                for each in pictures[first : first + BATCH]
            ]
            found.append(run(self._session, np.stack(resized))["features"])
        return np.concatenate(found)
