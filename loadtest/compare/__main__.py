"""`python -m loadtest.compare` (`make compare`): this service against others, on this machine, in one sitting.

Starts one server at a time on free ports of 127.0.0.1 and ends by itself. Refuses to measure a server whose answers
differ from those of the graph. Writes raw.csv, table.md and plot.png below build/compare/.
"""

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from loadtest.compare import scenarios, tables
from loadtest.compare.runner import DifferentAnswers, Point, RunPlan, run
from testbed.servers import PROJECT

OUT = PROJECT / "build/compare"
CONNECTIONS = {
    "peers": [1, 8, 32],
    "real": [1, 4, 8],
    "connections": [1, 2, 4, 8, 16, 32],
    "megapixels": [4],
    "tumour": [1, 8, 16],
}
SECONDS = {"real": 20.0, "tumour": 10.0}  # a few answers a second
BASELINES = {
    "peers": ["ours", "ours_2"],
    "repeats": ["ours", "ours_2"],
    "real": ["ours", "triton_grpc_fp32"],
    "connections": ["ours"],
    "tumour": ["brain_tumour"],
}


def main() -> int:
    """Return the exit code: 1 if answers differ."""
    given = _arguments()
    settings = dict(pair.split("=", 1) for pair in given.set)
    mode = "real" if given.real else given.sweep or "peers"
    build = {"peers": scenarios.peers, "real": scenarios.real, **scenarios.SWEEPS}[mode]
    plan = RunPlan(
        given.connections or CONNECTIONS.get(mode, [1, 8, 32]), given.rounds, given.seconds or SECONDS.get(mode, 5.0)
    )
    out = given.out / mode if mode != "peers" else given.out
    with tempfile.TemporaryDirectory(prefix="oncoserve-models-") as folder:
        contenders = build(Path(folder), settings)
        wanted = given.servers or [each.name for each in contenders]
        unknown = set(wanted) - {each.name for each in contenders}
        if unknown:
            print(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(each.name for each in contenders)}")
            return 2
        try:
            points = run([each for each in contenders if each.name in wanted], plan, out / "raw.csv")
        except DifferentAnswers as error:
            print(f"Not measured, since answers differ. {error}")
            return 1
    text = _text(points, plan, settings, [name for name in BASELINES.get(mode, []) if name in wanted])
    (out / "table.md").write_text(text)
    tables.plot(points, out / "plot.png")
    print(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.compare", description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--real", action="store_true", help="brain_mri: HTTP, gRPC to Triton, ONNX Runtime alone")
    mode.add_argument("--sweep", choices=list(scenarios.SWEEPS), help="one setting of this service at a time")
    parser.add_argument("--rounds", type=int, default=3, help="times that each server has its turn")
    parser.add_argument("--seconds", type=float, help="length of one point; 5, with --real 20")
    parser.add_argument("--connections", type=int, nargs="+", help="requests under way at once, a point each")
    parser.add_argument("--servers", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--set", action="append", default=[], metavar="ONCO_X=Y", help="a setting of this service")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    return parser.parse_args()


def _text(points: list[Point], plan: RunPlan, settings: dict[str, str], baselines: list[str]) -> str:
    machine = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}"
    method = f"{plan.rounds} rounds of {plan.seconds:g} s a point, medians"
    own = " ".join(f"{name}={value}" for name, value in settings.items()) or "defaults"
    parts = [f"{machine}; {method}; this service's settings: {own}", tables.table(points)]
    parts += [tables.ratios(points, of) for of in baselines]
    return "\n\n".join(part for part in [*parts, tables.errors(points)] if part) + "\n"


if __name__ == "__main__":
    sys.exit(main())
