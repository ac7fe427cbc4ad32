"""`python -m loadtest.scaling`: a table of what the policies of deploy/aws/ec2.yaml do; docs/scale.md has it."""

import argparse
import bisect
import itertools
from dataclasses import dataclass

from loadtest.scaling.playing import Minute, play
from loadtest.scaling.policies import Policies

DAY = 24 * 60
HEADS = (
    "arrivals",
    "most workers",
    "first worker after, min",
    "longest wait, min",
    "worker hours in a day",
    "none again after, min",
)


@dataclass(frozen=True)
class Day:
    """Arrivals, pictures by minute, and whether the queue was in use before."""

    arrivals: list[float]
    asleep: bool = False


def main() -> None:
    """Play some days, and print what a table needs of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="HeTissue", help="by its name in the template; default: %(default)s")
    parser.add_argument("--rate", type=float, default=117, help="pictures a minute and worker; default: %(default)s")
    parser.add_argument("--boot", type=int, default=5, help="minutes until a worker works; default: %(default)s")
    given = parser.parse_args()
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for name, day in days().items():
        history = play(Policies.of(given.model), day.arrivals, given.rate, given.boot, asleep=day.asleep)
        print(f"| {name} | {' | '.join(row(day.arrivals, history))} |")


def days() -> dict[str, Day]:
    """Days by what comes in them."""
    single = [0.0] * DAY
    single[10] = 1
    rounds = [0.0] * DAY
    for start in (60, 600):
        rounds[start : start + 30] = [100.0] * 30
    burst = [0.0] * DAY
    burst[10:30] = [1000.0] * 20
    return {
        "nobody": Day([0.0] * DAY),
        "one picture": Day(single),
        "one picture, after a night": Day(single, asleep=True),
        "one a minute, all day": Day([1.0] * DAY),
        "30 a minute, all day": Day([30.0] * DAY),
        "two rounds of 3,000": Day(rounds),
        "20,000 in 20 minutes": Day(burst),
        "the same, then 30 a minute": Day([max(each, 30.0) for each in burst]),
    }


def row(arrivals: list[float], history: list[Minute]) -> list[str]:
    """The numbers of a day."""
    hours = sum(each.wanted for each in history) / 60
    came = [now for now, each in enumerate(arrivals) if each]
    if not came:
        return ["0", "-", "-", f"{hours:.1f}", "-"]
    up = next(now for now, each in enumerate(history) if each.working)
    empty = [now for now, each in enumerate(history) if not each.waiting and now >= came[-1]]
    there = [now for now, each in enumerate(history) if each.wanted]
    gone = "never" if there[-1] == len(history) - 1 else str(there[-1] + 1 - empty[0])
    most = max(each.working for each in history)
    return [str(most), str(up - came[0]), str(longest_wait(arrivals, history)), f"{hours:.1f}", gone]


def longest_wait(arrivals: list[float], history: list[Minute]) -> int:
    """Minutes that a picture waits at most, if the oldest is the next."""
    came = list(itertools.accumulate(arrivals))
    done = [all_ - each.waiting for all_, each in zip(came, history, strict=True)]
    finished = bisect.bisect_left(came, done[-1])
    return max(bisect.bisect_left(done, came[now], now) - now for now in range(finished + 1) if arrivals[now])


if __name__ == "__main__":
    main()
