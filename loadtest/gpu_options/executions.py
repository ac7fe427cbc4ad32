"""Measures one option, in a process of its own; `python -m loadtest.gpu_options` starts it."""

import ctypes
import functools
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from inference_server.backends.onnxruntime import cuda_libraries, onnx_batches
from loadtest.gpu_options.options import OPTIONS, Option

WARM_UP_RUNS: Final = 3

Prepare = Callable[[], Callable[[], list[Any]]]
"""Opens a session and gives what executes one batch."""


def measure(task: Mapping[str, Any]) -> None:
    """Measure one option at each batch size; a JSON line each."""
    if not task["cpu"]:
        load_libraries()
    option, reference = OPTIONS[task["option"]], Path(task["reference"])
    for batch in task["batches"]:
        prepare = functools.partial(_prepare, Path(task["file"]), option, batch, cpu=task["cpu"])
        if not reference.exists():
            np.savez(reference, *prepare()())
            return
        setup_s, outputs, latencies_s, elapsed_s = _time(prepare, option.sessions, task["seconds"])
        with np.load(reference) as exact:
            difference = max(_difference(a[:1], b) for a, b in zip(outputs, exact.values(), strict=True))
        print(
            json.dumps(
                {
                    "batch": batch,
                    "images_s": batch * len(latencies_s) / elapsed_s,
                    "p50_ms": float(np.percentile(latencies_s, 50)) * 1e3,
                    "p99_ms": float(np.percentile(latencies_s, 99)) * 1e3,
                    "setup_s": setup_s,
                    "gpu_mib": float("nan") if task["cpu"] else _taken_mib(),
                    "difference": difference,
                }
            ),
            flush=True,
        )


def _prepare(path: Path, option: Option, batch: int, *, cpu: bool) -> Callable[[], list[Any]]:
    """Open a session and return what executes one batch and gives its outputs in the CPU's memory."""
    wanted = {"cudnn_conv_algo_search": "HEURISTIC", **option.provider}
    provider: Any = "CPUExecutionProvider" if cpu else ("CUDAExecutionProvider", wanted)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if option.fixed:
        probe = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        options.add_free_dimension_override_by_name(probe.get_inputs()[0].shape[0], batch)
    session = onnxruntime.InferenceSession(path, options, [provider])
    if not cpu and session.get_providers()[0] != "CUDAExecutionProvider":
        raise RuntimeError(f"CUDA did not load; the session has {session.get_providers()}")
    (entry,), names = session.get_inputs(), [output.name for output in session.get_outputs()]
    images = np.random.default_rng(0).integers(0, 256, (batch, *entry.shape[1:]), np.uint8)
    if option.pinned and not cpu:
        images = _page_locked(images)
    if option.feed == "run":
        return lambda: list(session.run(names, {entry.name: images}))
    device = "cpu" if cpu or option.feed == "bound" else "cuda"
    binding, value = session.io_binding(), onnxruntime.OrtValue
    outputs = [
        value.ortvalue_from_shape_and_type(each.shape, each.dtype, device, 0)
        for each in (
            np.zeros((batch, *node.shape[1:]), onnx_batches.numpy_type(node.type)) for node in session.get_outputs()
        )
    ]
    for name, output in zip(names, outputs, strict=True):
        binding.bind_ortvalue_output(name, output)
    place = value.ortvalue_from_numpy(images, device, 0)

    def execute() -> list[Any]:
        if option.feed == "bound":
            binding.bind_cpu_input(entry.name, images)
        elif not cpu:
            place.update_inplace(images)
        session.run_with_iobinding(binding)
        return [output.numpy() for output in outputs]

    binding.bind_ortvalue_input(entry.name, place)
    return execute


def _time(prepare: Prepare, sessions: int, seconds: float) -> tuple[float, list[Any], list[float], float]:
    """Set up one session, its outputs, the seconds of every execution, and of all together.

    A session stays in one thread, in which a CUDA graph is recorded, and no two are prepared at once: the memory that
    one takes would spoil what the other records.
    """
    one_at_a_time, all_ready, latencies_s = threading.Lock(), threading.Barrier(sessions), []

    def keep_on() -> tuple[float, list[Any], float, float]:
        try:
            with one_at_a_time:
                began = time.perf_counter()
                run = prepare()
                outputs = run()
                setup_s = time.perf_counter() - began
                for _ in range(WARM_UP_RUNS):
                    outputs = run()
            all_ready.wait()
        except BaseException:
            all_ready.abort()
            raise
        opens = begun = time.perf_counter()
        while begun < opens + seconds:
            run()
            ended = time.perf_counter()
            latencies_s.append(ended - begun)
            begun = ended
        return setup_s, outputs, opens, begun

    with ThreadPoolExecutor(sessions) as pool:
        done = [each.result() for each in [pool.submit(keep_on) for _ in range(sessions)]]
    setup_s, outputs = done[0][:2]
    return setup_s, outputs, latencies_s, max(each[3] for each in done) - min(each[2] for each in done)


def _difference(got: Any, exact: Any) -> float:  # noqa: ANN401 - arrays of any type
    scale = 255 if exact.dtype == np.uint8 else 1
    return float(np.abs(got.astype(np.float64) - exact.astype(np.float64)).max()) / scale


def load_libraries() -> None:
    """Load CUDA's libraries.

    Raises:
        RuntimeError: One is missing, or the installed ONNX Runtime is the one without CUDA.
    """
    if reason := cuda_libraries.problem():
        raise RuntimeError(f"CUDA did not load: {reason}")


def _runtime() -> ctypes.CDLL:
    """CUDA's runtime as this process has it loaded.

    Raises:
        RuntimeError: It has none.
    """
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = [line.split(maxsplit=5)[-1] for line in lines if "libcudart.so" in line]
    if not paths:
        raise RuntimeError("libcudart is not loaded")
    return ctypes.CDLL(paths[-1])


def _page_locked(images: Any) -> Any:  # noqa: ANN401 - arrays
    locked = cuda_libraries.page_locked(images.shape, images.dtype)
    locked[:] = images
    return locked


def _taken_mib() -> float:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    try:
        code = _runtime().cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total))
    except RuntimeError:
        return float("nan")
    return float("nan") if code else (total.value - free.value) / 2**20


if __name__ == "__main__":
    measure(json.loads(sys.argv[1]))
