"""BentoML 1.4.39: `bentoml serve bento_service:Classifier`, in its own environment.

PEER_MODEL names the graph, PEER_LABELS the class names, separated by commas. Adaptive batching and one worker a core,
as its documentation recommends: one picture a call took more processor time, one worker gave half the throughput. A
batchable API takes a list: the form field `images` with one picture is a list of one.
"""

import os
from typing import Any

import bentoml  # type: ignore[import-not-found] # installed in its own environment alone
import numpy as np
import onnxruntime
from PIL import Image

SIDE = 240
BATCH, LONGEST_MS = 16, 10_000


@bentoml.service(workers="cpu_count", logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Classifier:
    """Decode, resize, run in batches, name the classes."""

    def __init__(self) -> None:
        self.labels = os.environ["PEER_LABELS"].split(",")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the workers are the parallelism
        self.session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options, ["CPUExecutionProvider"])

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=LONGEST_MS)  # type: ignore[untyped-decorator]
    def predict(self, images: list[Image.Image]) -> list[dict[str, Any]]:
        """Label and probabilities by class name, for each picture."""
        small = [picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC) for picture in images]
        (output,) = self.session.run(None, {"image": np.stack([np.asarray(picture) for picture in small])})
        return [self._name(row) for row in output.tolist()]

    def _name(self, row: list[float]) -> dict[str, Any]:
        probabilities = dict(zip(self.labels, row, strict=True))
        return {"label": max(probabilities, key=lambda name: probabilities[name]), "probabilities": probabilities}
