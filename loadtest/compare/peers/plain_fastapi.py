"""FastAPI and ONNX Runtime alone, as people write it well: a sync endpoint in the thread pool, one shared session.

`uvicorn loadtest.compare.peers.plain_fastapi:app`.
"""

from typing import Annotated

import numpy as np
from fastapi import FastAPI, File, UploadFile
from pydantic import BaseModel

from loadtest.compare.peers.peer_work import Graph, pixels

graph = Graph()
app = FastAPI(title="Plain FastAPI and ONNX Runtime")


class Prediction(BaseModel):
    """The answer."""

    label: str
    probabilities: dict[str, float]


@app.get("/health")
def health() -> None:
    """Answers when the server is up."""


@app.post("/predict")
def predict(image: Annotated[UploadFile, File()]) -> Prediction:
    """Decode, resize, run, name the classes."""
    (answer,) = graph.answers(pixels(image.file)[np.newaxis])
    return Prediction(**answer)
