"""LitServe 0.2.19: `python litserve_server.py PORT`, in its own environment.

PEER_MODEL names the graph, PEER_LABELS the class names, separated by commas. Batches up to 16 as ours, two inference
workers and, as its documentation recommends, as many API servers: on two cores this took the least processor time of
what was tried (one worker; one API server; no batching; ZeroMQ queues).
"""

import os
import sys
from typing import Any

import litserve  # type: ignore[import-not-found] # installed in its own environment alone
import numpy as np
import onnxruntime
from fastapi import Request
from numpy.typing import NDArray
from PIL import Image

SIDE = 240
WORKERS = 2
BATCH, WAIT_S = 16, 0.005


class Classifier(litserve.LitAPI):  # type: ignore[misc] # for the same reason
    """Decode, resize, run in batches, name the classes."""

    def setup(self, device: str) -> None:
        """Load the graph."""
        del device
        self.labels = os.environ["PEER_LABELS"].split(",")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the workers are the parallelism
        self.session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options, ["CPUExecutionProvider"])

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        """Upload to (240, 240, 3) uint8 RGB; the annotation asks LitServe for the form, which is what comes."""
        picture = Image.open(request["image"].file).convert("RGB")
        return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))

    def batch(self, inputs: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Stack along a new first axis."""
        return np.stack(inputs)

    def predict(self, x: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 240, 240, 3) uint8 to (N, 4) float32."""
        probabilities: NDArray[np.float32] = self.session.run(None, {"image": x})[0]
        return probabilities

    def unbatch(self, output: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """One row a request."""
        return list(output)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, Any]:
        """Label and probabilities by class name."""
        probabilities = dict(zip(self.labels, output.tolist(), strict=True))
        return {"label": max(probabilities, key=lambda name: probabilities[name]), "probabilities": probabilities}


if __name__ == "__main__":
    api = Classifier(max_batch_size=BATCH, batch_timeout=WAIT_S)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning", access_log=False
    )
