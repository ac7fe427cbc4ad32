"""`python -m loadtest.storage`: results in a bucket and jobs in PostgreSQL against files, in one sitting.

Starts a Triton, a SeaweedFS, a PostgreSQL, and a frontend for each way to keep results, on free ports of 127.0.0.1, and
asks them in turn, one request at a time: for results that they have, for what is drawn of them, about pictures that
they have had, and about new ones. Ends by itself.
"""

import argparse
import contextlib
import itertools
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from testbed.encoded_pictures import encoded, scan
from testbed.servers import PROJECT, FrontendServer, TritonServer
from testbed.storage.shared_storage import shared_settings, shared_storage
from testbed.tiny_models import write_classifier

TINY: Final = "tiny"
KEPT: Final = 32
"""Results that are asked for again and again."""

CALLERS: Final = 8
SECONDS: Final = 5.0

Times = dict[str, dict[str, list[float]]]
"""Seconds of each round's median: what was asked, then of which way to keep results."""


class Asked:
    """One frontend with some results.

    Args:
        url: its address.
        model: that pictures are asked about.
        pictures: that it has results of, afterwards.
    """

    def __init__(self, url: str, model: str, pictures: Sequence[bytes]) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)
        self._predict = f"/v1/models/{model}/predict"
        self._pictures = pictures
        self._links = [self._ask(picture)["links"] for picture in pictures]

    def stored(self, number: int) -> None:
        """A result's document."""
        self._http.get(self._links[number % KEPT]["self"]).raise_for_status()

    def overlay(self, number: int) -> None:
        """What is drawn of one."""
        links = self._links[number % KEPT]
        name = next((name for name in ("overlay", "picture") if name in links), "self")
        self._http.get(links[name]).raise_for_status()

    def again(self, number: int) -> None:
        """A picture that was asked about before."""
        self._ask(self._pictures[number % KEPT])

    def new(self, number: int) -> None:
        """A picture that nobody has asked about."""
        self._ask(encoded(scan(seed=1_000_000 + number)))

    def _ask(self, picture: bytes) -> Mapping[str, Mapping[str, str]]:
        answer: Mapping[str, Mapping[str, str]] = (
            self._http.post(self._predict, content=picture).raise_for_status().json()
        )
        return answer


def measure(ways: Mapping[str, Asked], rounds: int, count: int, first: int) -> Times:
    """Ask all of them the same, one request of one, then one of the next.

    Args:
        ways: by their names.
        rounds: of which each has a median.
        count: requests of a kind in a round.
        first: number of the requests; those of new pictures must not come again.
    """
    kinds = ("stored", "overlay", "again", "new")
    times: Times = {kind: {name: [] for name in ways} for kind in kinds}
    for turn in range(rounds):
        order = [*ways][:: 1 if turn % 2 else -1]
        for kind in kinds:
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(first, first + count):
                for name in order:
                    taken[name].append(_seconds(getattr(ways[name], kind), number))
            first += count
            for name, each in taken.items():
                times[kind][name].append(statistics.median(each))
        print(f"round {turn + 1}/{rounds}", file=sys.stderr)
    return times


def _seconds(ask: Callable[[int], None], number: int) -> float:
    began = time.perf_counter()
    ask(number)
    return time.perf_counter() - began


def throughput(ways: Mapping[str, Asked], rounds: int, seconds: float, first: int) -> Times:
    """New pictures answered with some callers at once, one way after the other; seconds between two answers.

    Args:
        ways: by their names.
        rounds: of which each has a figure.
        seconds: that a way is asked for in a round.
        first: number of the first picture.
    """
    times: Times = {f"new, {CALLERS} callers": {name: [] for name in ways}}
    numbers = itertools.count(first)
    for turn in range(rounds):
        for name in [*ways][:: 1 if turn % 2 else -1]:
            with ThreadPoolExecutor(CALLERS) as pool:
                began = time.perf_counter()
                done = sum(pool.map(partial(_ask_until, ways[name], began + seconds), [numbers] * CALLERS))
                times[f"new, {CALLERS} callers"][name].append((time.perf_counter() - began) / done)
    return times


def _ask_until(way: Asked, end: float, numbers: Iterator[int]) -> int:
    done = 0
    while time.perf_counter() < end:
        way.new(next(numbers))
        done += 1
    return done


def table(times: Times) -> str:
    """Markdown: medians over the rounds in milliseconds, and what they are of those of the first way."""
    names = [*next(iter(times.values()))]
    lines = [f"| median, ms | {' | '.join(names)} | {' | '.join(f'{name} / {names[0]}' for name in names[1:])} |"]
    lines.append("|---" * (2 * len(names)) + "|")
    for kind, ways in times.items():
        medians = [1000 * statistics.median(each) for each in ways.values()]
        ratios = (f"{each / medians[0]:.2f}" for each in medians[1:])
        lines.append(f"| {kind} | {' | '.join(f'{each:.2f}' for each in medians)} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.storage", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved ones")
    parser.add_argument("--requests", type=int, default=100, help="of each kind in a round")
    parser.add_argument("--model", default=TINY, help=f"one of model_repository/, or {TINY}: next to no computing")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oncoserve-storage-")))
        repository = PROJECT / "model_repository"
        if given.model == TINY:
            repository = folder / "models"
            write_classifier(repository, TINY, size=64)
        triton = stack.enter_context(TritonServer(repository, folder))
        shared = shared_settings(*stack.enter_context(shared_storage(folder)))
        pictures = [encoded(scan(seed=seed)) for seed in range(KEPT)]
        ways = {}
        for name, settings in (("files", {}), ("bucket", shared)):
            own = folder / name
            own.mkdir()
            service = FrontendServer(
                triton.grpc_url, own, model_repository=repository, results_dir=own / "results", **settings
            )
            ways[name] = Asked(stack.enter_context(service).url, given.model, pictures)
        measure(ways, 1, 20, first=0)  # to warm up
        times = measure(ways, given.rounds, given.requests, first=10_000)
        times |= throughput(ways, given.rounds, SECONDS, first=100_000)
    machine = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}; {given.model}; {given.rounds} interleaved rounds of {given.requests} requests of each kind\n")
    print(table(times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
