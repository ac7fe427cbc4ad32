"""Loads the libraries that ONNX Runtime needs on a GPU, and names what is missing; knows nothing of Triton."""

import contextlib
import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from inference_server.backends.onnxruntime.onnx_batches import Tensor

CUDA: Final = "CUDAExecutionProvider"

# Parts of cuDNN that it loads by itself, from its own folder, at the first convolution.
_CUDNN_PARTS = ("graph", "ops", "heuristic", "engines_precompiled", "engines_runtime_compiled")
# Not cuFFT, which ONNX Runtime loads where a graph has a Fourier transform: the image does without it.
_CUDA_PARTS = ("cudart", "cublasLt", "cublas", "nvrtc")


def cuda_major() -> str:
    """The CUDA that the installed ONNX Runtime was built for, such as "13"; empty for a build without."""
    version: str = getattr(onnxruntime, "cuda_version", "") or ""
    return version.partition(".")[0] if CUDA in onnxruntime.get_available_providers() else ""


def problem() -> str:
    """Load the libraries of CUDA and cuDNN, and say in a sentence what is missing; empty if nothing is.

    ONNX Runtime itself goes on without: it computes on the CPU then, or fails at the first convolution.
    """
    major = cuda_major()
    if not major:
        return (
            f"The installed onnxruntime {onnxruntime.__version__} is the one without CUDA: "
            "install requirements-gpu.lock, as `make run DEVICE=gpu` does."
        )
    with contextlib.redirect_stdout(sys.stderr):  # where it tells of some of what it cannot load
        onnxruntime.preload_dlls()
    missing = [failure for name in _names(major) if (failure := _failure(name))]
    missing = missing or [failure for name in _cudnn_parts() if (failure := _failure(name))]
    provider = Path(onnxruntime.__file__).parent / "capi/libonnxruntime_providers_cuda.so"
    missing = missing or [failure for failure in [_failure(str(provider))] if failure]
    if not missing:
        return ""
    named = "; ".join(dict.fromkeys(missing))
    if named.startswith("libcuda.so"):
        return f"There is no NVIDIA driver ({named})."
    return (
        f"What ONNX Runtime needs on a GPU cannot be loaded: {named}. Install requirements-gpu.lock anew "
        "(`rm -r .venv-gpu`, then `make run DEVICE=gpu`)."
    )


def page_locked(shape: tuple[int, ...], dtype: np.dtype[Any]) -> "Tensor":
    """Zeros in memory that the GPU reads by itself, which is faster than through CUDA's own copy; kept for ever.

    Raises:
        OSError: CUDA refuses.
    """
    runtime = ctypes.CDLL(f"libcudart.so.{cuda_major()}")
    address, size = ctypes.c_void_p(), int(np.prod(shape)) * dtype.itemsize
    if code := runtime.cudaHostAlloc(ctypes.byref(address), ctypes.c_size_t(size), 0):
        raise OSError(f"cudaHostAlloc of {size} bytes failed with error {code}")
    memory = memoryview((ctypes.c_uint8 * size).from_address(address.value or 0))
    array: Tensor = np.frombuffer(memory, dtype).reshape(shape)
    array.fill(0)
    return array


def _names(major: str) -> list[str]:
    return [*(f"lib{name}.so.{major}" for name in _CUDA_PARTS), "libcurand.so.10", "libcudnn.so.9"]


def _cudnn_parts() -> list[str]:
    """Their paths, beside the libcudnn that this process has loaded."""
    maps = Path("/proc/self/maps").read_text().split("\n")
    folder = next((Path(line.split()[-1]).parent for line in maps if "/libcudnn.so" in line), None)
    return [str((folder or Path()) / f"libcudnn_{part}.so.9") for part in _CUDNN_PARTS]


def _failure(library: str) -> str:
    """Why a library cannot be loaded, which may be another one that it needs; empty if it can."""
    try:
        ctypes.CDLL(library)
    except OSError as error:
        return str(error).replace("cannot open shared object file: No such file or directory", "there is no such file")
    return ""
