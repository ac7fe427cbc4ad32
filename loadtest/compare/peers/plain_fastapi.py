"""FastAPI and ONNX Runtime alone, as people write it well: a sync endpoint in the thread pool, one shared session.

`uvicorn loadtest.compare.peers.plain_fastapi:app`; the environment names the graph, PEER_MODEL, and the class names,
PEER_LABELS, separated by commas.
"""

import os
from typing import Annotated

import numpy as np
import onnxruntime
from fastapi import FastAPI, File, UploadFile
from PIL import Image
from pydantic import BaseModel

SIDE = 240
LABELS = os.environ["PEER_LABELS"].split(",")

options = onnxruntime.SessionOptions()
# The pool's threads are the parallelism; a second pool inside each execution only gets in their way.
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options, ["CPUExecutionProvider"])
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
    picture = Image.open(image.file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    (output,) = session.run(None, {"image": np.asarray(picture)[np.newaxis]})
    probabilities = dict(zip(LABELS, output[0].tolist(), strict=True))
    return Prediction(label=max(probabilities, key=lambda name: probabilities[name]), probabilities=probabilities)
