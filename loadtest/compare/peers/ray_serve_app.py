"""Ray Serve 2.60.0: `python -m loadtest.compare.peers.ray_serve_app PORT`, in its own environment.

A replica a core, and batches as its documentation recommends, up to 16 with 5 ms of patience, computed in a thread
beside the event loop. Without batches, or with RAY_SERVE_THROUGHPUT_OPTIMIZED=1, it took as much processor time.
"""

import asyncio
import os
import secrets
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import ray  # type: ignore[import-not-found] # installed in its own environment alone
from ray import serve
from starlette.requests import Request

from loadtest.compare.peers.peer_work import LARGEST_BATCH, PATIENCE_S, Graph, pixels

REPLICAS = 2
LOCALHOST = "127.0.0.1"


@serve.deployment(num_replicas=REPLICAS, max_ongoing_requests=2 * LARGEST_BATCH)
class Classifier:
    """Decode, resize, run in batches, name the classes."""

    def __init__(self) -> None:
        self.graph = Graph()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Label and probabilities by class name."""
        upload: Any = (await request.form())["image"]
        answer: dict[str, Any] = await self.answer(upload.file)
        return answer

    @serve.batch(max_batch_size=LARGEST_BATCH, batch_wait_timeout_s=PATIENCE_S)  # type: ignore[untyped-decorator]
    async def answer(self, uploads: list[BinaryIO]) -> list[dict[str, Any]]:
        """One for each upload, computed beside the event loop."""
        return await asyncio.to_thread(self._answers, uploads)

    def _answers(self, uploads: list[BinaryIO]) -> list[dict[str, Any]]:
        return self.graph.answers(np.stack([pixels(upload) for upload in uploads]))


if __name__ == "__main__":
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex()  # or Ray writes one into the home folder
    ray.init(num_cpus=REPLICAS, include_dashboard=False, _node_ip_address=LOCALHOST, _temp_dir=str(Path.cwd()))
    serve.start(http_options={"host": LOCALHOST, "port": int(sys.argv[1])})
    serve.run(Classifier.bind(), route_prefix="/predict", blocking=True)  # type: ignore[attr-defined] # the decorator's
