"""`python -m loadtest.scaling`: a table of what the policies do; docs/scale.md has it."""

import argparse

from loadtest.scaling.policies import Minute, Policies, play

DAY = 24 * 60


def main() -> None:
    """Play some days, and print what a table needs of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=117, help="pictures a minute and worker; default: %(default)s")
    parser.add_argument("--boot", type=int, default=5, help="minutes until a worker works; default: %(default)s")
    given = parser.parse_args()
    print(
        "| arrivals | most workers | longest wait of the first picture, min | "
        "all done after, min | worker hours in a day | none again after, min |\n|---|---|---|---|---|---|"
    )
    for name, arrivals in days().items():
        history = play(Policies.of("HeTissue"), arrivals, given.rate, given.boot)
        print(f"| {name} | {' | '.join(row(arrivals, history))} |")


def days() -> dict[str, list[float]]:
    """Days of arrivals, pictures by minute."""
    single = [0.0] * DAY
    single[10] = 1
    rounds = [0.0] * DAY
    for start in (60, 600):
        rounds[start : start + 30] = [100.0] * 30
    burst = [0.0] * DAY
    burst[10:30] = [1000.0] * 20
    return {
        "nobody": [0.0] * DAY,
        "one picture": single,
        "two rounds of 3,000": rounds,
        "20,000 in 20 minutes": burst,
        "30 a minute, all day": [30.0] * DAY,
    }


def row(arrivals: list[float], history: list[Minute]) -> list[str]:
    """The numbers of a day."""
    first = next((now for now, each in enumerate(arrivals) if each), None)
    if first is None:
        return ["0", "-", "-", "0.0", "-"]
    up = next(now for now, each in enumerate(history) if each.working)
    busy = [now for now, each in enumerate(history) if each.waiting >= 1]
    there = [now for now, each in enumerate(history) if each.working + each.starting]
    hours = sum(each.working + each.starting for each in history) / 60
    gone = "never" if there[-1] == len(history) - 1 else str(there[-1] + 1 - busy[-1])
    most = max(each.working for each in history)
    return [str(most), str(up - first), str(busy[-1] + 1 - first), f"{hours:.1f}", gone]


if __name__ == "__main__":
    main()
