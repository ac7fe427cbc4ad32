"""BentoML 1.4.40: `bentoml serve bento_service:Classifier`, in its own environment.

Adaptive batching and one worker a core, as its documentation recommends: one picture a call took more processor time,
one worker gave half the throughput. A batchable API takes a list: a form with one picture is a list of one.
"""

from typing import Any

import bentoml  # type: ignore[import-not-found] # installed in its own environment alone
import numpy as np
from PIL import Image

from loadtest.compare.peers.peer_work import LARGEST_BATCH, Graph, pixels

LONGEST_MS = 10_000


@bentoml.service(workers="cpu_count", logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Classifier:
    """Decode, resize, run in batches, name the classes."""

    def __init__(self) -> None:
        self.graph = Graph()

    @bentoml.api(batchable=True, max_batch_size=LARGEST_BATCH, max_latency_ms=LONGEST_MS)  # type: ignore[untyped-decorator]
    def predict(self, image: list[Image.Image]) -> list[dict[str, Any]]:
        """Label and probabilities by class name, for each picture."""
        return self.graph.answers(np.stack([pixels(picture) for picture in image]))
