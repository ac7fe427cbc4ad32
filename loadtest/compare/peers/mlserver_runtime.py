"""MLServer 1.7.1: `python -m loadtest.compare.peers.mlserver_runtime PORT`, in its own environment.

Its own protocol (V2) takes tensors in JSON and no upload in a form. A custom handler does, as its documentation
recommends for another interface: FastAPI reads the form and MLServer hands the picture to one of its workers, one a
core. Adaptive batching is for V2's method alone.
"""

import asyncio
import io
import sys
from typing import Annotated, Any

import mlserver  # type: ignore[import-not-found] # installed in its own environment alone
import numpy as np
from fastapi import File
from mlserver.handlers import custom_handler  # type: ignore[import-not-found] # for the same reason
from mlserver.settings import ModelParameters  # type: ignore[import-not-found] # for the same reason
from mlserver.utils import install_uvloop_event_loop  # type: ignore[import-not-found] # for the same reason

from loadtest.compare.peers.peer_work import Graph, pixels

WORKERS = 2


class Classifier(mlserver.MLModel):  # type: ignore[misc] # for the same reason
    """Decode, resize, run, name the classes."""

    async def load(self) -> bool:
        """Load the graph, in a worker."""
        self.graph = Graph()
        return True

    @custom_handler(rest_path="/predict")  # type: ignore[untyped-decorator]
    async def classify(self, image: Annotated[bytes, File()]) -> dict[str, Any]:
        """Label and probabilities by class name."""
        (answer,) = self.graph.answers(pixels(io.BytesIO(image))[np.newaxis])
        return answer


async def main(port: int) -> None:
    """Serve until told to end, as `mlserver start` does with the same in files."""
    settings = mlserver.Settings(
        host="127.0.0.1", http_port=port, grpc_port=0, metrics_endpoint=None, parallel_workers=WORKERS, debug=False
    )
    runtime = "loadtest.compare.peers.mlserver_runtime.Classifier"
    model = mlserver.ModelSettings(name="tiny_cnn", implementation=runtime, parameters=ModelParameters())
    await mlserver.MLServer(settings).start([model])


if __name__ == "__main__":
    install_uvloop_event_loop()
    asyncio.run(main(int(sys.argv[1])))
