"""A model that takes its time by the clock, written as a complete folder of a Triton model repository."""

import json
from pathlib import Path

from testbed.tiny_models import CLASSES, PLAIN_BATCHING, card, config


def write_sleeper(
    repository: Path,
    name: str,
    seconds: float,
    *,
    size: int = 16,
    max_batch_size: int = 1,
    batching: str = PLAIN_BATCHING,
) -> Path:
    """Write a classifier that finds every class equally likely, and takes so many seconds a picture by the clock.

    A model on Triton's Python backend: its pace does not depend on what else the machine does, as that of ONNX does.
    """
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    (folder / "1/model.py").write_text(_SLEEPER.format(seconds=seconds, classes=len(CLASSES)))
    text = config(
        max_batch_size,
        inputs={"image": ("TYPE_UINT8", [size, size, 3])},
        outputs={"probabilities": ("TYPE_FP32", [len(CLASSES)])},
        extra=batching,
    )
    (folder / "config.pbtxt").write_text(text.replace('"onnxruntime"', '"python"'))
    (folder / "card.json").write_text(json.dumps(card(name), indent=2))
    return folder


# Tensors pass through DLPack, as in this project's backend, and a request that was cancelled is not worked on.
_SLEEPER = """
import ctypes
import time

import numpy as np
import triton_python_backend_utils as triton

rename = ctypes.pythonapi.PyCapsule_SetName
rename.argtypes = (ctypes.py_object, ctypes.c_char_p)


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        if request.is_cancelled():
            return triton.InferenceResponse(error=triton.TritonError("cancelled", triton.TritonError.CANCELLED))
        count = len(np.from_dlpack(triton.get_input_tensor_by_name(request, "image")))
        time.sleep({seconds} * count)
        capsule = np.full((count, {classes}), 1 / {classes}, np.float32).__dlpack__()
        tensor = triton.Tensor.from_dlpack("probabilities", capsule)
        rename(capsule, b"used_dltensor")
        return triton.InferenceResponse([tensor])
"""
