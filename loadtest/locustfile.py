"""Locust's entry: `python -m locust -f loadtest/locustfile.py`; docs/load_testing.md has the options."""

import argparse
import csv
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import LocalRunner
from locust.stats import StatsEntry

from loadtest.load.limits import Figures, RunLimits
from loadtest.load.load_shapes import ClosedLoop, FixedRate, Load, Step, Steps
from loadtest.load.pace import Pace
from loadtest.load.users import REFUSED, DirectCaller, PacedUser, Supply, Uploader, read_models

__all__ = ["DirectCaller", "Run", "Uploader"]  # Locust takes callers and the shape from this module's names

NOTHING_TO_TEST: Final = 2


def add_options(parser: argparse.ArgumentParser, **_: object) -> None:
    """Add ours to Locust's options."""
    what = parser.add_argument_group("Oncoserve: what is sent")
    what.add_argument("--triton", default="127.0.0.1:8001", help="host:port of Triton's gRPC service")
    what.add_argument("--models", default="", help="comma-separated; every model that is served when left out")
    what.add_argument("--seed", type=int, default=0, help="decides pictures and their order")
    what.add_argument("--rate", type=float, default=0, help="requests/s, whatever the answers; 0: -u users in a loop")
    what.add_argument("--steps", action="store_true", help="raise --rate until a limit is broken: the capacity")
    what.add_argument("--step-factor", type=float, default=1.5, help="between the rates of two steps")
    what.add_argument("--step-seconds", type=float, default=10, help="length of a step")
    limits = parser.add_argument_group("Oncoserve: limits; the exit code is 1 when one is broken")
    limits.add_argument("--max-fail-ratio", type=float, default=0, help="of the answered requests")
    limits.add_argument("--max-refused-ratio", type=float, default=0, help="503 with Retry-After, of all requests")
    limits.add_argument("--max-p95-ms", type=float, help="of every kind of request; no limit when left out")
    limits.add_argument("--min-requests", type=int, default=1, help="answered requests")


def prepare(environment: Environment, **_: object) -> None:
    """Ask what is served, and end with a sentence where nothing can be tested."""
    options = _options(environment)
    if not isinstance(environment.runner, LocalRunner) or not options.headless:
        _give_up("Rates and limits are for one run of one process: --headless, without --processes and --master.")
    if options.steps and not (options.rate > 0 and options.step_factor > 1):
        _give_up("--steps needs --rate, the first step's, and a --step-factor over 1.")
    host = options.host or PacedUser.host
    try:
        models = read_models(host)
    except OSError as error:
        _give_up(f"Nothing answers at {host} ({error}). Start the service with `make run`, or name it with --host.")
    if options.models:
        models = [each for each in models if each.name in options.models.split(",")]
    if not models:
        _give_up(f"{host} serves no such model; {host}/readyz says what is missing.")
    if DirectCaller in environment.user_classes:
        _check_triton(options.triton)
    PacedUser.supply = Supply(models, options.seed, Pace(options.rate), options.triton)


def _check_triton(address: str) -> None:
    name, _, port = address.rpartition(":")
    try:
        socket.create_connection((name, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        _give_up(f"Triton does not listen at {address} ({error}). Name it with --triton, or test `Uploader` alone.")


def _options(environment: Environment) -> argparse.Namespace:
    """Locust's options and ours; Locust reads them before it calls any of this."""
    return environment.parsed_options or argparse.Namespace()


def _give_up(reason: str) -> NoReturn:
    print(reason, file=sys.stderr)
    sys.exit(NOTHING_TO_TEST)


class Run(LoadTestShape):
    """The load that the options ask for."""

    use_common_options = True
    load: Load | None = None

    def tick(self) -> tuple[int, float] | None:
        """Called once a second: (users, users started per second), or None to stop."""
        if self.runner is None:
            raise RuntimeError("Locust sets the runner before it asks for the first tick")
        options = _options(self.runner.environment)
        if self.load is None:
            self.load = make_load(options)
            PacedUser.supply.pace.start()
        if not self.load.look(time.perf_counter() - self.start_time, read_figures(self.runner.stats.entries.values())):
            return None
        return options.num_users, options.num_users if options.rate else options.spawn_rate


def make_load(options: argparse.Namespace) -> Load:
    """The load that the options ask for."""
    limits = RunLimits(options.max_fail_ratio, options.max_refused_ratio, options.min_requests, options.max_p95_ms)
    seconds, pace = options.run_time, PacedUser.supply.pace
    if options.steps:
        return Steps(
            seconds, limits, pace, options.step_factor, options.step_seconds, lambda step: print(step, file=sys.stderr)
        )
    return FixedRate(seconds, limits, options.rate) if options.rate else ClosedLoop(seconds, limits)


def judge(environment: Environment, **_: object) -> None:
    """Say every limit with the value that was met, and set the exit code."""
    shape = environment.shape_class
    if not isinstance(shape, Run) or shape.load is None:
        return
    verdicts = shape.load.judge(read_figures(environment.stats.entries.values()))
    for verdict in verdicts:
        print(verdict, file=sys.stderr)
    options = _options(environment)
    if options.csv_prefix and isinstance(shape.load, Steps):
        write_steps(Path(f"{options.csv_prefix}_steps.csv"), shape.load.steps)
    environment.process_exit_code = 0 if all(each.holds for each in verdicts) else 1


def read_figures(entries: Iterable[StatsEntry]) -> Figures:
    """What Locust counted so far."""
    answered = failed = refused = 0
    times_ms: dict[str, Mapping[int, int]] = {}
    for entry in entries:
        if entry.name.endswith(REFUSED):
            refused += entry.num_requests
        else:
            answered += entry.num_requests
            failed += entry.num_failures
            times_ms[f"{entry.method} {entry.name}"] = dict(entry.response_times)
    return Figures(answered, failed, refused, times_ms)


def write_steps(path: Path, steps: Iterable[Step]) -> None:
    """Write one row per step."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["requests_per_s", "answered", "failed", "refused", "p95_ms", "broken"])
        for step in steps:
            met = step.met
            broken = "; ".join(each.text for each in step.broken)
            rows.writerow([f"{step.rate:.3f}", met.answered, met.failed, met.refused, met.p95_ms, broken])


_HOOKS: Any = events  # their methods are not annotated
_HOOKS.init_command_line_parser.add_listener(add_options)
_HOOKS.init.add_listener(prepare)
_HOOKS.quitting.add_listener(judge)
