"""The measurements and the gate of `python -m loadtest.int8`."""

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import onnxruntime
import tritonclient.grpc as triton
from numpy.typing import NDArray

from loadtest.shared.process_family import Family
from model_export.brain_mri import MOST_STRANGENESS
from model_export.verify import load_images, run_one_by_one
from testbed.servers import PROJECT, TritonServer

MODEL: Final = PROJECT / "model_repository/brain_mri"
SAMPLES: Final = PROJECT / "build/samples/brain_mri"
FILES: Final = MappingProxyType({"FP32": MODEL / "1/model.onnx", "INT8": MODEL / "1/model.cpu.onnx"})
SIDE: Final = 240

LEAST_SPEEDUP: Final = 1.7
LARGEST_LOSS: Final = 0.005
"""Of accuracy, as a fraction."""
LEAST_AGREEMENT: Final = 0.99

Images = NDArray[np.uint8]
"""(N, 240, 240, 3) uint8 RGB."""

Ask = Callable[[Images], object]
"""Runs one picture, (1, 240, 240, 3)."""


@dataclass
class RoundTimes:
    """Of one precision: wall seconds and CPU seconds of one image, a value a round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.int8", description="What INT8 gains and costs brain_mri on this CPU."
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="more labelled pictures")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds of each timing")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of ONNX Runtime")
    given = parser.parse_args(arguments)
    record = json.loads((MODEL / "1/export.json").read_bytes())["files"]["model.cpu.onnx"]
    print(f"{platform.machine()}, {platform.system()}, ONNX Runtime {onnxruntime.__version__}, {given.threads} threads")
    print(f"model.cpu.onnx holds {record['precision']}")
    sessions = {name: open_session(path, given.threads) for name, path in FILES.items()}
    images, labels = load([SAMPLES, *given.folders])
    held = compare(sessions, images, labels)
    bare = {name: _through_session(session) for name, session in sessions.items()}
    speedups = [report("bare ONNX Runtime", time_rounds(bare, time.process_time, images, given.rounds))]
    with tempfile.TemporaryDirectory() as folder:
        speedups.append(through_triton(Path(folder), images, given.rounds, given.threads))
    held &= min(speedups) >= LEAST_SPEEDUP
    print("gate:", "held" if held else "FAILED")
    return 0 if held else 1


def load(folders: Sequence[Path]) -> tuple[Images, NDArray[np.int64]]:
    """Pictures as the card prepares them, and the index of each one's class, (N,)."""
    classes = (MODEL / "labels.txt").read_text().split()
    paths = [path for folder in folders for path in sorted(folder.glob("*/*.jpg"))]
    return load_images(paths, SIDE), np.array([classes.index(path.parent.name) for path in paths])


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Load a graph with the options of the backend in Triton."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def compare(sessions: Mapping[str, onnxruntime.InferenceSession], images: Images, labels: NDArray[np.int64]) -> bool:
    """Print what INT8 changes, and tell whether the gate's limits on it hold."""
    exact, quantised = (run_one_by_one(sessions[name], images) for name in ("FP32", "INT8"))
    expected, got = (outputs["probabilities"].argmax(axis=1) for outputs in (exact, quantised))
    accuracy = {"FP32": float((expected == labels).mean()), "INT8": float((got == labels).mean())}
    agreement = float((got == expected).mean())
    moved = np.abs(quantised["probabilities"] - exact["probabilities"]).max(axis=1)
    maps, exact_maps = (outputs["saliency"].reshape(len(images), -1) for outputs in (quantised, exact))
    same_peak = (maps.argmax(axis=1) == exact_maps.argmax(axis=1)).mean()
    print(f"{len(images)} pictures: accuracy FP32 {accuracy['FP32']:.4f}, INT8 {accuracy['INT8']:.4f}")
    print(f"same label {agreement:.4f} ({np.count_nonzero(got != expected)} differ)")
    print(f"largest change of a probability: median {np.median(moved):.5f}, most {moved.max():.3f}")
    print(f"saliency: mean change {np.abs(maps - exact_maps).mean():.4f}, same peak cell {same_peak:.3f}")
    strange, exactly = (outputs["strangeness"][:, 0] for outputs in (quantised, exact))
    same_verdict = float(((strange > MOST_STRANGENESS) == (exactly > MOST_STRANGENESS)).mean())
    print(
        f"strangeness: largest change {np.abs(strange - exactly).max():.4f}, same side of the limit {same_verdict:.4f}"
    )
    loss = accuracy["FP32"] - accuracy["INT8"]
    return min(agreement, same_verdict) >= LEAST_AGREEMENT and loss <= LARGEST_LOSS


def time_rounds(
    ask: Mapping[str, Ask], cpu_s: Callable[[], float], images: Images, rounds: int
) -> dict[str, RoundTimes]:
    """Time one image at a time, two a round and precision, in turn; a first round is not counted.

    Args:
        ask: By precision, what runs one picture.
        cpu_s: Processor seconds so far of whatever runs it, all of its threads together.
        images: What is asked about, in turn.
        rounds: How many rounds are counted.
    """
    timings = {name: RoundTimes() for name in ask}
    for turn in range(rounds + 1):
        for name, run in ask.items():
            used, started = cpu_s(), time.perf_counter()
            for index in (2 * turn, 2 * turn + 1):
                run(images[index % len(images)][np.newaxis])
            if turn:
                timings[name].wall.append((time.perf_counter() - started) / 2)
                timings[name].cpu.append((cpu_s() - used) / 2)
    return timings


def through_triton(folder: Path, images: Images, rounds: int, threads: int) -> float:
    """The same through one Triton that has both graphs; gives the speed-up."""
    repository = folder / "models"
    for name, path in FILES.items():
        version = repository / name / "1"
        version.mkdir(parents=True)
        shutil.copy(path, version / "model.cpu.onnx")
        for other in ("config.pbtxt", "labels.txt"):
            shutil.copy(MODEL / other, repository / name / other)
    with (
        TritonServer(repository, folder, threads=threads) as server,
        triton.InferenceServerClient(server.grpc_url) as client,
    ):
        ask = {name: _through_client(client, name) for name in FILES}
        # Of two stubs of the Python backend, only one works at a time; together they are what an image costs.
        return report("through Triton", time_rounds(ask, Family(server.pid).cpu_s, images, rounds))


def report(where: str, timings: Mapping[str, RoundTimes]) -> float:
    """Print both precisions, and give the median of the rounds' speed-ups."""
    for name, each in timings.items():
        print(
            f"{where}, {name}: {1 / statistics.median(each.wall):.2f} images/s, "
            f"{statistics.median(each.cpu):.3f} CPU s an image"
        )
    exact, quantised = timings["FP32"], timings["INT8"]
    walls = [a / b for a, b in zip(exact.wall, quantised.wall, strict=True)]
    cpus = [a / b for a, b in zip(exact.cpu, quantised.cpu, strict=True)]
    print(f"{where}: INT8 is {statistics.median(walls):.2f} times as fast (by CPU time {statistics.median(cpus):.2f});")
    print("  round by round: " + " ".join(f"{ratio:.2f}" for ratio in walls))
    return statistics.median(walls)


def _through_session(session: onnxruntime.InferenceSession) -> Ask:
    return lambda image: session.run(None, {"image": image})


def _through_client(client: triton.InferenceServerClient, model: str) -> Ask:
    def infer(image: Images) -> object:
        tensor = triton.InferInput("image", list(image.shape), "UINT8")
        tensor.set_data_from_numpy(image)
        return client.infer(model, [tensor])

    return infer
