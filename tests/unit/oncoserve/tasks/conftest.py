import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[4]


def find(name):
    return next((CHECKOUT / "build" / "samples" / "he_tissue").rglob(name), None)


def read(path):
    assert path is not None, "run `make models` first"
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture(scope="session")
def histo():
    """Real H&E, (300, 500, 3)."""
    return read(find("histo.jpg"))


@pytest.fixture(scope="session")
def ihc():
    """Real tissue with another stain (DAB, brown), (512, 512, 3)."""
    return read(find("ihc.png"))


@pytest.fixture(scope="session")
def slide():
    """Real H&E, skin on glass at 0.499 um/px, (2967, 2220, 3)."""
    path = find("cmu_small_region.svs")
    if path is None:
        pytest.skip("the slide is not among the samples")
    return read(path)


@pytest.fixture(scope="session")
def golden():
    """What the package lavlab-shell itself makes of both pictures, taken to be at 2.0 um/px."""
    return json.loads((Path(__file__).parent / "tissue/lavlab_shell.json").read_bytes())["pictures"]


@pytest.fixture(scope="session")
def model():
    """The serving graph in ONNX Runtime: (3, 512, 512) uint8 probabilities of a tile."""
    path = CHECKOUT / "model_repository" / "he_tissue" / "1" / "model.onnx"
    if not path.is_file():
        pytest.skip("he_tissue is not exported; run `make models`")
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda stains: session.run(["probabilities"], {"stains": stains[np.newaxis]})[0][0]
