"""`python -m loadtest.chaos`: hurt the whole service in every way, and see how soon it is right again.

Starts the service as `make run` does, on free ports of 127.0.0.1, with two tiny models whose answers are known; uploads
pictures and sends jobs all the time; and does one fault after another. The exit code is 1 when a bound is broken.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loadtest.chaos import chaos_tables, faults
from loadtest.chaos.faults import Fault, SmallDisk
from loadtest.chaos.judged_answers import Asker, ended_twice
from loadtest.chaos.rounds import Outcome, Rounds, in_order
from loadtest.chaos.whole_service import MODELS, HurtService
from testbed.servers import PROJECT

OUT = PROJECT / "build/chaos"
DISK_BYTES, KEPT_FREE_BYTES = 256 * 2**20, 16 * 2**20
SHORT_JOBS = 50
MAX_MIB = 3 * 1024.0  # docs/reliability.md, "Memory"


def main() -> int:
    """Run, print, write build/chaos/chaos.md."""
    given = _arguments()
    library = given.faketime or faults.find_faketime()
    chosen = _chosen(given)
    with tempfile.TemporaryDirectory(prefix="oncoserve-chaos-", ignore_cleanup_errors=True) as name:
        broken = asyncio.run(_run(Path(name), chosen, given, library))
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.chaos", description=__doc__.splitlines()[0])
    names = ", ".join(fault.name for fault in faults.FAULTS)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"beginnings of names; all without any. {names}")
    parser.add_argument("--short", action="store_true", help="a few faults, in under two minutes")
    parser.add_argument("--seconds", type=float, help="how long each fault lasts, instead of its own time")
    parser.add_argument("--random", type=int, metavar="N", help="N faults drawn at random, instead of each once")
    parser.add_argument("--seed", type=int, default=0, help="decides pictures, order and what is drawn")
    parser.add_argument("--workers", type=int, default=1, help="ONCO_WORKERS")
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of one image each, in all")
    parser.add_argument("--jobs-per-s", type=float, default=3.0)
    parser.add_argument("--within", type=float, default=30.0, metavar="S", help="right answers again")
    parser.add_argument("--max-mib", type=float, default=MAX_MIB, help="peak memory of the whole service")
    parser.add_argument(
        "--faketime", type=Path, metavar="LIBRARY", help="libfaketimeMT.so.1, where it is not installed"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the report and the service's log")
    return parser.parse_args()


def _chosen(given: argparse.Namespace) -> list[Fault]:
    try:
        chosen = faults.named(given.faults)
    except ValueError as error:
        sys.exit(str(error))
    if given.short:
        given.jobs = min(given.jobs, SHORT_JOBS)
        chosen = [replace(each, seconds=faults.SHORT[each.name]) for each in chosen if each.name in faults.SHORT]
    if given.seconds is not None:
        chosen = [replace(each, seconds=given.seconds) for each in chosen]
    if given.random:
        return random.Random(given.seed).choices(chosen, k=given.random)  # noqa: S311 - reproducible, not secret
    return in_order(chosen)


async def _run(folder: Path, chosen: Sequence[Fault], given: argparse.Namespace, library: Path | None) -> list[str]:
    outcomes: list[Outcome] = []
    with _service(folder, chosen, given, library) as (service, clock):
        asker = Asker(service.url, MODELS, given.seed)
        await asker.learn()
        rounds = Rounds(service, asker, clock, given.jobs_per_s)
        print(f"{service.url}: right from the start after {await rounds.warm_up():.1f} s", flush=True)
        for fault in chosen:
            reason = faults.missing(fault, library)
            outcome = Outcome(fault.name, skipped=reason) if reason else await rounds.run(fault)
            outcomes.append(outcome)
            _tell(outcome, given)
        await rounds.settle(given.jobs)
    twice = ended_twice(service.output())
    broken = [f"{each.fault}: {text}" for each in outcomes for text in each.broken(given.within, given.max_mib)]
    ledger = rounds.ledger
    broken += [f"job {what}: {text}" for what in ("lost", "failed", "wrong") for text in getattr(ledger, what)[:5]]
    broken += [f"job doubled: {text}" for text in twice[:5]]
    processes = f"{given.workers} serving process{'es' if given.workers > 1 else ''}"
    text = "\n\n".join(
        [
            f"# Chaos, {processes}: {'failed' if broken else 'passed'}",
            chaos_tables.table(outcomes),
            chaos_tables.jobs_line(ledger, rounds.load.sent, twice),
            "\n".join(f"- {each}" for each in broken),
        ]
    )
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "chaos.md").write_text(text + "\n")
    (given.out / "service.log").write_text(service.output())
    print(f"\n{text}")
    return broken


def _tell(outcome: Outcome, given: argparse.Namespace) -> None:
    row = chaos_tables.table([outcome]).splitlines()[-1]
    print(row, *outcome.notes, sep="\n    ", flush=True)
    for text in outcome.broken(given.within, given.max_mib):
        print(f"    BROKEN: {text}", flush=True)


@contextlib.contextmanager
def _service(
    folder: Path, chosen: Sequence[Fault], given: argparse.Namespace, library: Path | None
) -> Iterator[tuple[HurtService, Path | None]]:
    """The service, on disks and with a clock of its own where a fault needs them."""
    needed = {fault.needs for fault in chosen if not faults.missing(fault, library)}
    environment: dict[str, str] = {}
    settings: dict[str, object] = {"workers": given.workers, "job_workers": 1, "job_lease_s": 5}
    clock = None
    with contextlib.ExitStack() as stack:
        if "mount" in needed:
            for name in ("data", "data/tmp"):
                stack.enter_context(SmallDisk(folder / name, DISK_BYTES))
            settings["min_free_bytes"] = KEPT_FREE_BYTES
        if "faketime" in needed:
            clock = folder / "clock"
            clock.write_text("+0")
            environment = {
                "LD_PRELOAD": str(library),
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        service = HurtService(folder, environment, None, **settings)
        yield stack.enter_context(service), clock


if __name__ == "__main__":
    sys.exit(main())
