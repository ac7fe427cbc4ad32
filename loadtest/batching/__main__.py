"""`python -m loadtest.batching`: what batches are worth on a GPU, over 1 to 256 connections, as tables.

For each model and precision: dynamic batching on and off, in one instance and in several, straight to the embedded
Triton over gRPC and through the whole service over HTTP; beside it ONNX Runtime alone in batches of every size, which
is the limit. Needs an environment with `onnxruntime-gpu` in place of `onnxruntime`, and a GPU. `--cpu` runs the same on
the CPU, to try the benchmark itself: a CPU gains next to nothing from batches.

Ends by itself; every server listens on a free port of 127.0.0.1. Each point is in raw.csv as soon as it is measured, so
a run may be cut off; `--join` makes one report of several raw.csv.
"""

import argparse
import itertools
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import onnxruntime

from inference_server.backends.onnxruntime.cuda_libraries import CUDA
from inference_server.triton_settings import TritonSettings
from loadtest.batching import bare, batching_tables, repositories
from loadtest.batching.client_processes import asked_by
from loadtest.batching.repositories import FILES, MODELS, Variant
from loadtest.compare import contenders
from loadtest.compare.contenders import Contender
from loadtest.compare.runner import RunPlan, run
from loadtest.shared.gpu_watch import describe_gpu
from testbed.servers import PROJECT

OUT: Final = PROJECT / "build/compare/batching"
CLIENTS: Final = max(1, len(os.sched_getaffinity(0)) // 4)
CONNECTIONS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
LARGEST_BARE: Final = MappingProxyType({"he_tissue": 16})  # a tile takes 0.5 GB
DOORS: Final = ("bare", "grpc", "http")
# 256 callers, of whom none shall be refused, whatever the batches.
AS_MANY: Final = MappingProxyType({"ONCO_MAX_BATCHES_IN_FLIGHT": "1024"})


def main() -> int:
    """Return the exit code: 1 without a GPU, or if something could not be measured."""
    given = _arguments()
    failures: dict[str, str] = {}
    if given.join:
        points = batching_tables.read(given.join)
    else:
        if not given.cpu and CUDA not in onnxruntime.get_available_providers():
            print(f"ONNX Runtime here has no {CUDA}: install onnxruntime-gpu on a machine with a GPU, or try --cpu.")
            return 1
        plan = RunPlan(given.connections, given.rounds, given.seconds)
        with tempfile.TemporaryDirectory(prefix="oncoserve-batching-") as folder:
            wanted = list(_contenders(given, Path(folder), failures))
            points = run(wanted, plan, given.out / "raw.csv", failures)
    given.out.mkdir(parents=True, exist_ok=True)
    text = batching_tables.text(points, failures, _head(given))
    (given.out / "table.md").write_text(text)
    print(text)
    return 1 if failures else 0


def _contenders(given: argparse.Namespace, folder: Path, failures: dict[str, str]) -> Iterator[Contender]:
    for model, precision in itertools.product(given.models, given.precisions):
        name = f"{model} {precision}"
        try:
            yield from _of_one_model(given, folder / model / precision, name)
        except FileNotFoundError as error:
            failures[name] = str(error)


def _of_one_model(given: argparse.Namespace, folder: Path, name: str) -> Iterator[Contender]:
    model, precision = name.split()
    on = [
        Variant(model, precision, instances=count, max_batch=given.max_batch, parameters=parameters)
        for parameters, count in itertools.product(given.parameters, given.instances)
    ]
    off = [replace(on[0], batching=False, instances=1)] if given.off else []
    served = {
        variant: repositories.write(variant, folder / str(number), cpu=given.cpu, source=given.repository)
        for number, variant in enumerate([*on, *off])
    }
    if "bare" in given.doors:
        sizes = [size for size in given.sizes if size <= LARGEST_BARE.get(model, size)]
        options = None if given.cpu else {"cudnn_conv_algo_search": "HEURISTIC", **dict(given.provider_options)}
        yield bare.contender(served[on[0]], f"{name} bare", sizes, options)
    if "grpc" in given.doors:
        for variant, each in served.items():
            way = f"{name} grpc {_words(variant)}"
            yield asked_by(contenders.triton_grpc(each, way, _device(variant, cpu=given.cpu)), given.clients)
    if "http" in given.doors and model != "he_tissue":  # it answers with areas, not with a tile's probabilities
        for variant, workers in [
            *((on[0], count) for count in given.workers),
            *((each, given.workers[-1]) for each in off),
        ]:
            settings = {**AS_MANY, "ONCO_WORKERS": str(workers), **_device(variant, cpu=given.cpu)}
            way = f"{name} http {_words(variant)} w{workers}"
            yield asked_by(contenders.ours(served[variant], settings, way), given.clients)


def _words(variant: Variant) -> str:
    return f"{'on' if variant.batching else 'off'} x{variant.instances} {variant.parameters}".strip()


def _device(variant: Variant, *, cpu: bool) -> dict[str, str]:
    """What tells the launcher to serve on a GPU, as far as it wants to be told."""
    known = TritonSettings.model_fields
    wanted = {} if cpu else {"device": "gpu", "gpu_instances": str(variant.instances)}
    return {f"ONCO_TRITON_{name.upper()}": value for name, value in wanted.items() if name in known}


def _head(given: argparse.Namespace) -> str:
    if given.join:
        return f"Joined from {', '.join(map(str, given.join))}."
    device = "CPU (a trial of the script)" if given.cpu else describe_gpu() or "GPU"
    versions = f"ONNX Runtime {onnxruntime.__version__}, Python {platform.python_version()}"
    machine = f"{len(os.sched_getaffinity(0))} cores, {device}, {versions}"
    return f"{machine}; medians of {given.rounds} rounds of {given.seconds:g} s a point; {given.clients} clients"


def _arguments() -> argparse.Namespace:
    def words(text: str) -> list[str]:
        return text.split(",")

    def numbers(text: str) -> list[int]:
        return [int(word) for word in text.split(",")]

    def pair(text: str) -> tuple[str, str]:
        name, _, value = text.partition("=")
        return name, value

    parser = argparse.ArgumentParser(
        prog="python -m loadtest.batching", description=__doc__.splitlines()[0], epilog="Lists have commas: 1,8,64."
    )
    add = parser.add_argument
    add("--models", type=words, default=list(MODELS), help=",".join(MODELS))
    add("--precisions", type=words, default=list(FILES), help=",".join(FILES))
    add("--doors", type=words, default=list(DOORS), help=",".join(DOORS))
    add("--connections", type=numbers, default=list(CONNECTIONS), help="requests under way at once, a point each")
    add("--instances", type=numbers, default=[1, 2, 4], help="of the model over gRPC; over HTTP the first of them")
    add("--workers", type=numbers, default=[1, 4, 8], help="processes of the frontend (ONCO_WORKERS)")
    add("--sizes", type=numbers, default=list(SIZES), help="batch sizes of ONNX Runtime alone")
    add("--max-batch", type=int, default=0, help="the largest batch of Triton, other than configured")
    add("--parameters", type=words, default=[""], metavar="NAME+NAME=VALUE", help="of the backend; more: each in turn")
    add("--no-off", dest="off", action="store_false", help="batching is on only")
    add("--provider-options", type=pair, nargs="+", default=[], metavar="NAME=VALUE", help="of ONNX Runtime alone")
    add("--rounds", type=int, default=3, help="times that each configuration has its turn")
    add("--seconds", type=float, default=5, help="length of one point")
    add("--clients", type=int, default=CLIENTS, help="processes that ask (default: a quarter of the cores)")
    add("--repository", type=Path, default=PROJECT / "model_repository", help="where the models are taken from")
    add("--out", type=Path, default=OUT, help="folder of the results")
    add("--join", type=Path, nargs="+", metavar="RAW_CSV", help="measure nothing, report what is in these files")
    add("--cpu", action="store_true", help="on the CPU: a trial of the script, not a result")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
