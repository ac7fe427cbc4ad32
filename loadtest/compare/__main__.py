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

from loadtest.compare import tables
from loadtest.compare.runner import DifferentAnswers, RunPlan, run
from loadtest.compare.scenarios import DEFAULTS, KINDS, SCENARIOS
from testbed.servers import PROJECT

OUT = PROJECT / "build/compare"


def main() -> int:
    """Return the exit code: 1 if answers differ, 2 if something is not there."""
    given = _arguments()
    scenario = SCENARIOS[given.sweep]
    plan = RunPlan(given.connections or scenario.connections, given.rounds, given.seconds or scenario.seconds)
    out = given.out if given.sweep == "peers" else given.out / given.sweep
    settings = {**DEFAULTS, **dict(pair.split("=", 1) for pair in given.set)}
    with tempfile.TemporaryDirectory(prefix="oncoserve-models-") as folder:
        try:
            pictures = {kind: KINDS[kind]() for kind in given.pictures or scenario.pictures}
            contenders = {each.name: each for each in scenario.build(Path(folder), settings, pictures)}
            wanted = given.servers or scenario.servers or list(contenders)
            if unknown := [name for name in wanted if name not in contenders]:
                print(f"unknown: {', '.join(unknown)}; known are {', '.join(contenders)}")
                return 2
            points = run([contenders[name] for name in wanted], plan, out / "raw.csv")
        except FileNotFoundError as error:
            print(error)
            return 2
        except DifferentAnswers as error:
            print(f"Not measured, since answers differ. {error}")
            return 1
    baselines = [name for name in scenario.baselines if name in wanted]
    text = f"{_method(plan, given.set)}\n\n{tables.report(points, baselines)}\n"
    (out / "table.md").write_text(text)
    tables.plot(points, out / "plot.png")
    print(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.compare", description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", choices=SCENARIOS, default="peers", help="something else than the peers")
    parser.add_argument("--real", action="store_const", const="real", dest="sweep", help="the same as --sweep real")
    parser.add_argument("--rounds", type=int, default=5, help="times that each server has its turn")
    parser.add_argument("--seconds", type=float, help="length of one point; 5, with --real 20")
    parser.add_argument("--connections", type=int, nargs="+", help="requests under way at once, a point each")
    parser.add_argument("--pictures", choices=KINDS, nargs="+", help="kinds of pictures, a point each")
    parser.add_argument("--servers", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--set", action="append", default=[], metavar="ONCO_X=Y", help="a setting of this service")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    return parser.parse_args()


def _method(plan: RunPlan, settings: list[str]) -> str:
    machine = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}"
    method = f"{plan.rounds} rounds of {plan.seconds:g} s a point, medians"
    return f"{machine}; {method}; this service's settings: {' '.join(settings) or 'defaults'}"


if __name__ == "__main__":
    sys.exit(main())
