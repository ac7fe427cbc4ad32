"""`python -m inference_server.devices.gpu_probe`: tries the GPU and says in a line of JSON whether it works.

A process of its own, since a broken CUDA library can end the process that loads it.
"""

import base64
import json
import re
import sys
from dataclasses import asdict
from typing import Final

import numpy as np
import onnxruntime

from inference_server.backends.onnxruntime import cuda_libraries
from inference_server.devices.cuda_driver import CudaDriver, DriverProblem, no_memory

DEFAULT_CUDA: Final = 13  # of requirements-gpu.lock: asked of the driver where onnxruntime is the one without CUDA
NO_MEMORY: Final = re.compile(r"out of memory|Failed to allocate memory", re.IGNORECASE)
SIZE: Final = 8  # pixels
# An ONNX graph: y = Conv(x, ones 3x3), x of (1, 1, 8, 8) float32. A convolution, because that is what cuDNN is for.
GRAPH: Final = base64.b64decode(
    "CAg6mgEKJgoBeAoBdxIBeSIEQ29udioVCgxrZXJuZWxfc2hhcGVAA0ADoAEHEgFnKjMIAQgBCAMIAxABIiQAAIA/AACAPwAAgD8AAIA/AACAPwAA"
    "gD8AAIA/AACAPwAAgD9CAXdaGwoBeBIWChQIARIQCgIIAQoCCAEKAggICgIICGIbCgF5EhYKFAgBEhAKAggBCgIIAQoCCAYKAggGQgQKABAN"
)


def probe() -> dict[str, object]:
    """Try driver, GPUs, libraries and an execution on each GPU, in the order in which one needs the other.

    Returns:
        The fields of `choice.Probe`; `reason` ends at the first that fails.
    """
    found: dict[str, object] = {"reason": "", "driver": "", "devices": []}
    try:
        driver = CudaDriver(int(cuda_libraries.cuda_major() or DEFAULT_CUDA))
        found["driver"] = driver.version
        devices = driver.devices()
        found["devices"] = [asdict(device) for device in devices]
    except DriverProblem as error:
        return {**found, "reason": str(error)}
    reasons = [cuda_libraries.problem()]
    for number, device in enumerate(devices):
        if not any(reasons):
            reasons.append(_execution_problem(number, f"GPU {number} ({device.name})"))
    return {**found, "reason": next(filter(None, reasons), "")}


def _execution_problem(number: int, what: str) -> str:
    """Why a GPU does not compute; empty if it does, with the right result."""
    picture = np.arange(SIZE * SIZE, dtype=np.float32).reshape(1, 1, SIZE, SIZE)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3), axis=(2, 3))
    try:
        providers = [(cuda_libraries.CUDA, {"device_id": str(number)})]
        session = onnxruntime.InferenceSession(GRAPH, providers=providers, enable_fallback=0)
        if session.get_providers()[0] != cuda_libraries.CUDA:
            return f"{what}: ONNX Runtime does not use it, but {session.get_providers()[0]}; its log says why."
        (answer,) = session.run(["y"], {"x": picture})
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no base
        return no_memory(what) if NO_MEMORY.search(str(error)) else f"{what} does not compute: {_core(str(error))}."
    if not np.allclose(answer, windows.sum(axis=(4, 5)), rtol=1e-2):  # TF32 keeps ten bits
        return f"{what} computes wrong numbers: its memory, driver or libraries are damaged."
    return ""


def _core(text: str) -> str:
    """What CUDA or cuDNN says within an error of ONNX Runtime, which has a line of file names around it."""
    found = re.search(r"(?:CUDA|CUDNN|CUBLAS) failure \d+: [^;]+?(?= ;|$)", text)
    return found[0] if found else text.partition("\n")[0]


if __name__ == "__main__":
    result = probe()
    sys.stdout.write(f"\n{json.dumps(result)}\n")
