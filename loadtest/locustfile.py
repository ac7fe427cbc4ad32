"""Locust's entry: `python -m locust -f loadtest/locustfile.py`; docs/load_testing.md has the options."""

import argparse
import csv
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

import gevent
from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner
from locust.stats import StatsEntry

from loadtest.load.limits import Figures, RunLimits
from loadtest.load.load_shapes import ClosedLoop, FixedRate, Load, Step, Steps
from loadtest.load.pace import Pace
from loadtest.load.users import REFUSED, DirectCaller, PacedUser, Supply, Uploader, draw_pictures, read_models
from loadtest.load.worker_processes import Workers, say_when_drawn
from loadtest.shared.answer_checks import Model

__all__ = ["DirectCaller", "Run", "Uploader"]  # Locust takes callers and the shape from this module's names

NOTHING_TO_TEST: Final = 2


class NothingToTestError(Exception):
    """Why there is nothing to test, in a sentence."""


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
    options, runner = _options(environment), environment.runner
    if isinstance(runner, WorkerRunner):  # its master has looked, and tells it the options with the first users
        PacedUser.pictures = gevent.get_hub().threadpool.apply(draw_pictures, (options.seed,))  # it has to give signs
        say_when_drawn(environment)
        return
    if options.steps and not (options.rate > 0 and options.step_factor > 1):
        _give_up("--steps needs --rate, the first step's, and a --step-factor over 1.")
    if options.steps and not (options.headless and isinstance(runner, LocalRunner)):
        _give_up("--steps is for one process: --headless, without --processes and --master.")
    try:
        models = _read_models(environment)
        if DirectCaller in environment.user_classes:
            _check_triton(options.triton)
    except NothingToTestError as error:
        _give_up(str(error))
    if isinstance(runner, MasterRunner):
        Run.workers = Workers(environment)
    else:
        PacedUser.pictures = draw_pictures(options.seed)
        PacedUser.supply = _supply(environment, models)
    if not options.headless:
        # How many callers and for how long is then what is typed there, not what a shape says.
        environment.shape_class, environment.available_shape_classes = None, {}
        print("The web interface judges no limit, and its exit code says nothing: see --headless.", file=sys.stderr)


def begin(environment: Environment, **_: object) -> None:
    """Start the pace of the callers in this process; those of several workers share the rate."""
    options, runner = _options(environment), environment.runner
    if isinstance(runner, MasterRunner):
        options.sharing = runner.worker_count  # goes to every worker with the other options
        return
    try:
        if isinstance(runner, WorkerRunner) or PacedUser.supply.host != _host(environment):
            PacedUser.supply = _supply(environment, _read_models(environment))
    except NothingToTestError as error:
        if isinstance(runner, WorkerRunner):
            _give_up(str(error))
        print(error, file=sys.stderr)  # typed in the web interface, where another try is easy
    PacedUser.supply.pace.start()


def _supply(environment: Environment, models: Sequence[Model]) -> Supply:
    """What the callers of this process send."""
    options = _options(environment)
    place = max(0, getattr(environment.runner, "worker_index", 0))
    pace = Pace(options.rate / getattr(options, "sharing", 1))
    return Supply(_host(environment), models, PacedUser.pictures, options.seed + place, pace, options.triton)


def _read_models(environment: Environment) -> list[Model]:
    """The models to ask for.

    Raises:
        NothingToTestError: Nothing answers, or not what is asked for.
    """
    options, host = _options(environment), _host(environment)
    try:
        models = read_models(host)
    except OSError as error:
        raise NothingToTestError(
            f"Nothing answers at {host} ({error}). Start the service with `make run`, or name it with --host."
        ) from error
    if options.models:
        models = [each for each in models if each.name in options.models.split(",")]
    if not models:
        raise NothingToTestError(f"{host} serves no such model; {host}/readyz says what is missing.")
    return models


def _check_triton(address: str) -> None:
    name, _, port = address.rpartition(":")
    try:
        socket.create_connection((name, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise NothingToTestError(
            f"Triton does not listen at {address} ({error}). Name it with --triton, or test `Uploader` alone."
        ) from error


def _host(environment: Environment) -> str:
    return environment.host or _options(environment).host or PacedUser.host


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
    workers: ClassVar[Workers | None] = None

    def tick(self) -> tuple[int, float] | None:
        """Called once a second: (users, users started per second), or None to stop."""
        if self.runner is None:
            raise RuntimeError("Locust sets the runner before it asks for the first tick")
        options = _options(self.runner.environment)
        if self.load is None:
            if isinstance(self.runner, MasterRunner) and self.workers:
                self.workers.wait(self.runner)
                self.start_time = time.perf_counter()
            self.load = make_load(options)
        if not self.load.look(time.perf_counter() - self.start_time, read_figures(self.runner.stats.entries.values())):
            return None
        return options.num_users, options.num_users if options.rate else options.spawn_rate


def make_load(options: argparse.Namespace) -> Load:
    """The load that the options ask for."""
    limits = RunLimits(options.max_fail_ratio, options.max_refused_ratio, options.min_requests, options.max_p95_ms)
    seconds = options.run_time
    if options.steps:
        factor, step_s, pace = options.step_factor, options.step_seconds, PacedUser.supply.pace
        return Steps(seconds, limits, pace, factor, step_s, lambda step: print(step, file=sys.stderr))
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
_HOOKS.test_start.add_listener(begin)
_HOOKS.quitting.add_listener(judge)
