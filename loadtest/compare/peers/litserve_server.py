"""LitServe 0.2.19: `python -m loadtest.compare.peers.litserve_server PORT`, in its own environment.

Batches up to 16 as ours, two inference workers and, as its documentation recommends, as many API servers: on two cores
this took the least processor time of what was tried (one worker; one API server; no batching; ZeroMQ queues).
"""

import sys
from typing import Any

import litserve  # type: ignore[import-not-found] # installed in its own environment alone
import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from loadtest.compare.peers.peer_work import LARGEST_BATCH, PATIENCE_S, Graph, pixels

WORKERS = 2


class Classifier(litserve.LitAPI):  # type: ignore[misc] # for the same reason
    """Decode, resize, run in batches, name the classes."""

    def setup(self, device: str) -> None:
        """Load the graph."""
        del device
        self.graph = Graph()

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        """Upload to pixels; the annotation asks LitServe for the form, which is what comes."""
        return pixels(request["image"].file)

    def predict(self, x: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """The answers to a batch, which LitServe stacked and takes apart again."""
        return self.graph.answers(x)


if __name__ == "__main__":
    api = Classifier(max_batch_size=LARGEST_BATCH, batch_timeout=PATIENCE_S)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning", access_log=False
    )
