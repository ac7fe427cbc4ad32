"""A model that takes its time by the clock, written as a complete folder of a Triton model repository."""

from pathlib import Path
from typing import Final

from testbed.model_folder import CLASSES, PLAIN_BATCHING, card, config, write_card


class Gate:
    """Stands before a sleeper, whose pictures wait until it is open: a test decides when the model goes on.

    Args:
        folder: Holds the files through which the model learns of it, as long as the model is served.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.passed_path = folder / "open", folder / "passed"
        self.open()

    def open(self) -> None:
        """Let what waits and what comes pass."""
        self.path.touch()

    def close(self) -> None:
        """Let nothing pass from now on."""
        self.path.unlink(missing_ok=True)

    @property
    def passed(self) -> int:
        """Number of pictures that have passed, which are those that the model works on or has worked on."""
        return self.passed_path.stat().st_size if self.passed_path.exists() else 0


def write_sleeper(
    repository: Path,
    name: str,
    seconds: float,
    *,
    size: int = 16,
    max_batch_size: int = 1,
    batching: str = PLAIN_BATCHING,
    gate: Gate | None = None,
    longest_s: float | None = None,
    deadly: bool = False,
) -> Path:
    """Write a classifier that finds every class equally likely, and takes so many seconds a picture by the clock.

    A model on Triton's Python backend: its pace does not depend on what else the machine does, as that of ONNX does.

    Args:
        repository: The model repository, made if it is not there.
        name: The model's name.
        seconds: That a picture takes; a batch takes as many times that.
        size: Height and width in pixels.
        max_batch_size: The model's.
        batching: The line of config.pbtxt about batching.
        gate: The seconds begin when it is open; without one at once.
        deadly: A picture without a dark pixel, such as `encoded_pictures.bright`, ends the model's process.
        longest_s: What it says of its longest execution; left out, what is true, and with a gate an hour.

    Returns:
        The model's folder: config.pbtxt, card.json, 1/model.py.
    """
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    paths = (str(gate.path), str(gate.passed_path)) if gate else (None, None)
    if longest_s is None:  # what stands at its gate does not hang
        longest_s = 3600 if gate else seconds * max_batch_size
    model = _SLEEPER.format(seconds=seconds, longest_s=longest_s, classes=len(CLASSES), paths=paths, deadly=deadly)
    (folder / "1/model.py").write_text(model)
    text = config(
        max_batch_size,
        inputs={"image": ("TYPE_UINT8", [size, size, 3])},
        outputs={"probabilities": ("TYPE_FP32", [len(CLASSES)])},
        backend="python",
        extra=batching,
    )
    (folder / "config.pbtxt").write_text(text)
    write_card(folder, card(name))
    return folder


# As in this project's backend, tensors pass through DLPack, a canary is answered at once, and a request that was
# cancelled is not worked on.
_SLEEPER: Final = """
import ctypes
import json
import os
import signal
import time

import numpy as np
import triton_python_backend_utils as triton

rename = ctypes.pythonapi.PyCapsule_SetName
rename.argtypes = (ctypes.py_object, ctypes.c_char_p)
GATE, PASSED = {paths}


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        if request.is_cancelled():
            return triton.InferenceResponse(error=triton.TritonError("cancelled", triton.TritonError.CANCELLED))
        if "oncoserve_canary" in request.parameters():
            said = dict(oncoserve_canary=1, whole=True, sha256=None, loaded="", longest_s={longest_s})
            return self.response(np.frombuffer(bytearray(json.dumps(said).encode()), np.uint8)[np.newaxis])
        images = np.from_dlpack(triton.get_input_tensor_by_name(request, "image"))
        if {deadly} and images.min() > 200:
            os.kill(os.getpid(), signal.SIGKILL)
        count = len(images)
        if GATE:
            self.pass_the_gate(count)
        time.sleep({seconds} * count)
        return self.response(np.full((count, {classes}), 1 / {classes}, np.float32))

    def response(self, array):
        capsule = array.__dlpack__()
        tensor = triton.Tensor.from_dlpack("probabilities", capsule)
        rename(capsule, b"used_dltensor")
        return triton.InferenceResponse([tensor])

    def pass_the_gate(self, count):
        while not os.path.exists(GATE):
            time.sleep(0.005)
        with open(PASSED, "ab") as passed:
            passed.write(bytes(count))
"""
