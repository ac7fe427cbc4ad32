"""`python -m loadtest.batching`: what dynamic batching is worth on a GPU, over 1 to 256 connections, as a table.

Starts the embedded Triton with a GPU execution of the tiny classifier (`--real`: of brain_mri) and asks it over gRPC,
once with `dynamic_batching { }` and once without. Needs `onnxruntime-gpu` in the running environment, in place of
`onnxruntime`. `--cpu` runs the same on the CPU, to try the script itself: a CPU gains next to nothing from batches.

Ends by itself; every server listens on a free port of 127.0.0.1.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import onnxruntime

from loadtest.compare import contenders, tables, tiny_cnn
from loadtest.compare.photographs import base_pictures
from loadtest.compare.runner import DifferentAnswers, RunPlan, run
from loadtest.compare.served import Served, without_batching
from testbed.servers import PROJECT

OUT = PROJECT / "build/compare/batching"
CLIENTS = max(1, len(os.sched_getaffinity(0)) // 4)
CONNECTIONS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
REAL_MODEL = "brain_mri"
GPU_PROVIDER = "CUDAExecutionProvider"
ON, OFF = "batching", "one_at_a_time"
# A GPU's convolutions round to 10 bits of mantissa (TF32), a CPU's do not.
TF32_TOLERANCE = 3e-2


def main() -> int:
    """Return the exit code: 1 without a GPU or if answers differ."""
    given = _arguments()
    if not given.cpu and GPU_PROVIDER not in onnxruntime.get_available_providers():
        print(
            f"ONNX Runtime here has no {GPU_PROVIDER}: install onnxruntime-gpu on a machine with a GPU, or try --cpu."
        )
        return 1
    plan = RunPlan(given.connections, given.rounds, given.seconds)
    with tempfile.TemporaryDirectory(prefix="oncoserve-batching-") as folder:
        repositories = {name: Path(folder) / name for name in (ON, OFF)}
        for name, repository in repositories.items():
            _write(repository, real=given.real, cpu=given.cpu, batching=name == ON)
        model, pictures = REAL_MODEL if given.real else tiny_cnn.NAME, base_pictures()
        tolerance = Served.tolerance if given.cpu else TF32_TOLERANCE
        servers = [
            contenders.triton_grpc(Served(repository, model, pictures, tolerance), name, given.clients)
            for name, repository in repositories.items()
        ]
        try:
            points = run(servers, plan, given.out / "raw.csv")
        except DifferentAnswers as error:
            print(f"Not measured, since answers differ. {error}")
            return 1
    device = "CPU (a trial of the script)" if given.cpu else "GPU"
    text = f"{model}, {device}\n\n{tables.table(points)}\n\n{tables.ratios(points, ON)}\n"
    (given.out / "table.md").write_text(text)
    tables.plot(points, given.out / "plot.png")
    print(text)
    return 0


def _write(repository: Path, *, real: bool, cpu: bool, batching: bool) -> None:
    """Make the model repository of one contender."""
    if not real:
        line = tiny_cnn.BATCHING if batching else ""
        tiny_cnn.write_repository(repository, line, "KIND_CPU" if cpu else "KIND_GPU")
        return
    folder = repository / REAL_MODEL
    shutil.copytree(PROJECT / "model_repository" / REAL_MODEL, folder)
    configuration = (folder / ("config.pbtxt" if cpu else "configs/gpu.pbtxt")).read_text()
    (folder / "config.pbtxt").write_text(configuration if batching else without_batching(configuration))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.batching", description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="on the CPU: a trial of the script, not a result")
    parser.add_argument("--real", action="store_true", help="brain_mri instead of the tiny classifier")
    parser.add_argument("--rounds", type=int, default=3, help="times that each configuration has its turn")
    parser.add_argument("--seconds", type=float, default=5, help="length of one point")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--clients", type=int, default=CLIENTS, help="processes that ask (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
