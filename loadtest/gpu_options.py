"""`python -m loadtest.gpu_options`: what each option of ONNX Runtime's CUDA provider is worth, in one sitting.

No server: a graph, a batch, and the seconds it takes with the copy to the GPU and back, for every option. Needs nothing
but onnxruntime-gpu and numpy, so this file also runs alone: `python3 gpu_options.py --models FOLDER`. The folder holds
`<model>/1/model.onnx` or `<model>/model.onnx` (FP32) and `model.gpu.onnx` (FP16) beside it.

Each option has a process of its own: one that fails or hangs is noted and the next has its turn. Options are taken in
turn in every round, and each row is in the CSV file as soon as it is measured. `--cpu` tries the script without a GPU.
"""

import argparse
import contextlib
import csv
import ctypes
import functools
import io
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

FILES = {"fp32": "model.onnx", "fp16": "model.gpu.onnx"}
BATCHES = [1, 8, 32, 64]
WARM_UP_RUNS = 3
LIBRARIES = ("cudart", "nvJitLink", "cublasLt", "cublas", "cufft", "curand", "nvrtc", "cudnn*")


@dataclass(frozen=True)
class Option:
    """One way to run a graph.

    Attributes:
        provider: Options of the CUDA provider, over those of the backend.
        feed: `run` gives NumPy arrays and takes new ones; `bound` writes outputs into arrays made beforehand; `device`
            keeps input and output on the GPU at fixed addresses and copies to and from them.
        pinned: The input's memory is page-locked.
        fixed: The batch size is a constant of the graph.
        sessions: So many run side by side, each in a thread of its own.
    """

    provider: dict[str, str] = field(default_factory=dict)
    feed: str = "run"
    pinned: bool = False
    fixed: bool = False
    sessions: int = 1


Prepare = Callable[[], Callable[[], list[Any]]]
"""Opens a session and gives what executes one batch."""

NHWC, GRAPH = {"prefer_nhwc": "1"}, {"enable_cuda_graph": "1"}
OPTIONS = {
    "plain": Option(),
    "exhaustive": Option({"cudnn_conv_algo_search": "EXHAUSTIVE"}),
    "default_algo": Option({"cudnn_conv_algo_search": "DEFAULT"}),
    "no_tf32": Option({"use_tf32": "0"}),
    "prefer_nhwc": Option(NHWC),
    "fuse_conv_bias": Option({"fuse_conv_bias": "1"}),
    "fixed_shape": Option(fixed=True),
    "bound_output": Option(feed="bound"),
    "bound_device": Option(feed="device"),
    "pinned": Option(pinned=True),
    "cuda_graph": Option(GRAPH, "device", fixed=True),
    "two_sessions": Option(sessions=2),
    "four_sessions": Option(sessions=4),
    "nhwc_pinned_graph": Option({**NHWC, **GRAPH}, "device", pinned=True, fixed=True),
    "nhwc_two_sessions": Option(NHWC, sessions=2),
    "nhwc_pinned_graph_two": Option({**NHWC, **GRAPH}, "device", pinned=True, fixed=True, sessions=2),
}


@dataclass(frozen=True)
class Row:
    """One measurement, a line of the CSV file.

    Attributes:
        images_s: Images a second, the copies to and from the GPU included.
        p50_ms, p99_ms: Of one execution of the batch.
        setup_s: Seconds to open one session and execute it once.
        gpu_mib: GPU memory that is taken while it runs, of all processes; NaN on a CPU.
        difference: The largest one of any output value of the first image from FP32 on the CPU; bytes count as 1/255.
        error: Why there are no figures.
    """

    round: int
    model: str
    precision: str
    option: str
    batch: int
    images_s: float = float("nan")
    p50_ms: float = float("nan")
    p99_ms: float = float("nan")
    setup_s: float = float("nan")
    gpu_mib: float = float("nan")
    difference: float = float("nan")
    error: str = ""


def main() -> int:
    """Return the exit code: 1 if nothing could be measured."""
    given = _arguments()
    if given.child:
        _child(json.loads(given.child))
        return 0
    given.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with given.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Row)])
        writer.writeheader()
        for row in _measure(given):
            writer.writerow(asdict(row))
            file.flush()
            rows.append(row)
            print(f"  {row.batch}: {row.error or f'{row.images_s:.0f}'}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(rows))
    return 0 if any(not row.error for row in rows) else 1


def table(rows: list[Row]) -> str:
    """Markdown: images a second by option and batch, medians over the rounds; the difference; what failed."""
    parts = []
    for model, precision in dict.fromkeys((row.model, row.precision) for row in rows):
        mine = [row for row in rows if (row.model, row.precision) == (model, precision)]
        batches = sorted({row.batch for row in mine})
        lines = [f"\n{model}, {precision}: images/s by batch size\n"]
        lines += [
            f"| option | {' | '.join(map(str, batches))} | p50 ms of the largest | GPU MiB | difference | failed |"
        ]
        lines += ["|---" * (len(batches) + 5) + "|"]
        for option in dict.fromkeys(row.option for row in mine):
            its = [row for row in mine if row.option == option]
            speeds = [_median([row.images_s for row in its if row.batch == batch]) for batch in batches]
            last = [
                _median([getattr(row, name) for row in its if row.batch == batches[-1]])
                for name in ("p50_ms", "gpu_mib")
            ]
            worst = max((row.difference for row in its if not row.error), default=float("nan"))
            failed = next((row.error[-100:] for row in its if row.error), "")
            cells = [*(f"{value:.0f}" for value in speeds), f"{last[0]:.2f}", f"{last[1]:.0f}", f"{worst:.1e}", failed]
            lines.append(f"| {option} | {' | '.join(cells).replace('nan', '-')} |")
        parts += lines
    return "\n".join(parts)


def _median(values: list[float]) -> float:
    found = [value for value in values if value == value]  # noqa: PLR0124 - NaN differs from itself
    return statistics.median(found) if found else float("nan")


def _measure(given: argparse.Namespace) -> Iterator[Row]:
    """Start a process for each option and yield what it found."""
    ends = time.monotonic() + given.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        for turn, model, precision, option in itertools.product(
            range(1, given.rounds + 1), given.only or _names(given.models), given.precisions, given.options
        ):
            paths = sorted(given.models.glob(f"{model}/**/{FILES[precision]}"))
            reference, names = Path(folder) / f"{model}.npz", (turn, model, precision, option)
            left_s = ends - time.monotonic()
            if not paths or left_s < 1:
                print(f"\n{' '.join(map(str, names))}: {'no time' if paths else 'no file'}", end="", file=sys.stderr)
                continue
            task = {"batches": given.batches, "seconds": given.seconds, "reference": str(reference)}
            if not reference.exists():
                exact = sorted(given.models.glob(f"{model}/**/{FILES['fp32']}"))
                _run({**task, "file": str(exact[-1]), "option": "plain", "cpu": True, "batches": [1]}, given.limit)
            print(f"\n{' '.join(map(str, names))}:", end="", file=sys.stderr, flush=True)
            task |= {"file": str(paths[-1]), "option": option, "cpu": given.cpu}
            found, error = _run(task, min(given.limit, left_s))
            for figures in found:
                yield Row(*names, **figures)
            if error:
                yield Row(*names, given.batches[len(found)] if len(found) < len(given.batches) else 0, error=error)


def _names(models: Path) -> list[str]:
    return sorted({path.relative_to(models).parts[0] for path in models.glob(f"*/**/{FILES['fp32']}")})


def _run(task: dict[str, Any], limit_s: float) -> tuple[list[dict[str, Any]], str]:
    """One process: the figures that it printed, and why there are no more."""
    try:
        done = subprocess.run(  # noqa: S603 - this file
            [sys.executable, __file__, "--child", json.dumps(task)], capture_output=True, timeout=limit_s, check=False
        )
        output, said = done.stdout, done.stderr.decode(errors="replace").strip().splitlines()
        why = [line[-200:] for line in said if "[E:onnxruntime" in line][:1] + said[-1:]
        error = "" if done.returncode == 0 else f"exit code {done.returncode}: {' / '.join(why)}"
    except subprocess.TimeoutExpired as late:
        output, error = late.stdout or b"", f"took longer than {limit_s:.0f} s"
    lines = [line for line in output.decode().splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines], error


def _child(task: dict[str, Any]) -> None:
    """Measure one option at each batch size; a JSON line each."""
    _load_libraries()
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
    import onnxruntime  # noqa: PLC0415 - after the libraries were loaded

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
        _lock_pages(images)
    if option.feed == "run":
        return lambda: list(session.run(names, {entry.name: images}))
    device = "cpu" if cpu or option.feed == "bound" else "cuda"
    binding, value = session.io_binding(), onnxruntime.OrtValue
    outputs = [
        value.ortvalue_from_shape_and_type(each.shape, each.dtype, device, 0)
        for each in (np.zeros((batch, *node.shape[1:]), _dtype(node.type)) for node in session.get_outputs())
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


def _dtype(name: str) -> str:
    return {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}[name]


def _load_libraries() -> None:
    """Load CUDA's libraries from wherever wheels have put them; what is missing, opening a session says."""
    for library, folder in itertools.product(LIBRARIES, sys.path):
        for path in sorted(Path(folder or ".").glob(f"nvidia/*/lib/lib{library}.so.*")):
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    import onnxruntime  # noqa: PLC0415 - as above

    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it lists what it does not find
            onnxruntime.preload_dlls()


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


def _lock_pages(array: Any) -> None:  # noqa: ANN401 - an array
    code = _runtime().cudaHostRegister(ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes), 0)
    if code:
        raise RuntimeError(f"cudaHostRegister: error {code}")


def _taken_mib() -> float:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    try:
        code = _runtime().cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total))
    except RuntimeError:
        return float("nan")
    return float("nan") if code else (total.value - free.value) / 2**20


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpu_options", description=__doc__.splitlines()[0])
    words: Callable[[str], list[str]] = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--models", type=Path, default=Path("model_repository"), help="folder of the models")
    parser.add_argument("--only", type=words, help="names of models, with commas between them (default: all)")
    parser.add_argument("--precisions", type=words, default=list(FILES), help="fp32,fp16")
    parser.add_argument("--options", type=words, default=list(OPTIONS), help=",".join(OPTIONS))
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=BATCHES)
    parser.add_argument("--seconds", type=float, default=1, help="length of a measurement")
    parser.add_argument("--rounds", type=int, default=1, help="times that each option has its turn")
    parser.add_argument("--limit", type=float, default=60, help="seconds that one option may take")
    parser.add_argument("--minutes", type=float, default=600, help="time for all; what is left then is not measured")
    parser.add_argument("--out", type=Path, default=Path("build/compare/gpu_options.csv"), help="the CSV file")
    parser.add_argument("--cpu", action="store_true", help="on the CPU: a trial of the script, not a result")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
