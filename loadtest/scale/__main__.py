"""`python -m loadtest.scale`: what 1,000 images cost, and how a burst of a million of them drains; docs/scale.md."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from loadtest.scale import report
from loadtest.scale.costs import Workload
from loadtest.scale.measure import measure
from loadtest.scale.prices import INSTANCES, Price
from loadtest.scale.simulation import Scenario, simulate
from testbed.servers import PROJECT

OUT = PROJECT / "build/scale"
TEN_MINUTES = 6  # of them an hour has
# Images per hour of two vCPUs: `--measure`, docs/scale.md. Megabytes: sample pictures at one megapixel, JPEG of quality
# 90, and the files of their results.
WORKLOADS = (
    Workload("brain_mri", 50_000, image_mb=0.07, result_mb=0.4, result_files=2),
    Workload("he_tissue, 0.5 um/px", 7_000, image_mb=0.33, result_mb=1.7, result_files=4),
    Workload("he_tissue, 2 um/px", 1_000, image_mb=0.33, result_mb=1.7, result_files=4),
)
MEASURED = {
    "brain_mri": ("classification", {}, 200, 8),
    "he_tissue": ("segmentation", {"um_per_px": "0.5"}, 48, 8),
    "he_tissue_full": ("segmentation", {"um_per_px": "2"}, 8, 1),
}


def main() -> int:
    """Run the command."""
    given = _parser().parse_args()
    if given.measure:
        task, parameters, count, in_flight = MEASURED[given.measure]
        found = measure(given.measure.removesuffix("_full"), task, parameters, given.count or count, in_flight)
        cores = os.cpu_count() or 1
        print(
            f"{given.measure}: {found.images} images, {found.seconds:.1f} s, {found.cpu_s:.1f} s of processor time; "
            f"{found.per_hour():.0f} an hour by the clock, {found.per_hour_of(cores):.0f} if {cores} cores were its own"
        )
        return 0
    price = INSTANCES[given.instance]
    if given.instance_price is not None:
        price = Price(given.instance_price, 1, "hour", "the command line", "now")
    costs = report.cost_table(WORKLOADS, price)
    runs = {name: (each, simulate(each)) for name, each in scenarios(given, price).items()}
    burst = report.burst_table(runs)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "scale.md").write_text(f"{costs}\n\n{burst}\n")
    report.plot(given.out / "burst.svg", runs)
    print(f"{given.instance} at US$ {price.dollars:g} an hour ({price.source}, {price.date})\n\n{costs}\n\n{burst}")
    return 0


def scenarios(given: argparse.Namespace, price: Price) -> dict[str, Scenario]:
    """The burst as given, and with one thing changed at a time."""
    usual = Scenario(
        given.images,
        given.images_per_hour,
        arrivals_per_s=given.arrivals_per_s,
        target_backlog=given.target_backlog or given.images_per_hour / TEN_MINUTES,
        boot_s=given.boot_s,
        cooldown_s=given.cooldown_s,
        max_workers=given.max_workers,
        visibility_timeout_s=given.visibility_timeout_s,
        kills_per_hour=given.kills_per_hour,
        price_per_hour=price.dollars,
        seed=given.seed,
    )
    return {
        "as given": usual,
        "4 workers at most": replace(usual, max_workers=4),
        "boot of 10 minutes": replace(usual, boot_s=600),
        "cooldown of 1 hour": replace(usual, cooldown_s=3600),
        "a kill an hour and worker": replace(usual, kills_per_hour=1),
        "the same, timeout of 1 hour": replace(usual, kills_per_hour=1, visibility_timeout_s=3600),
        "20 images/s arrive": replace(usual, arrivals_per_s=20),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.scale", description=__doc__)
    parser.add_argument("--measure", choices=MEASURED, help="measure a worker on this machine instead")
    parser.add_argument("--count", type=int, help="images to measure with")
    parser.add_argument("--instance", choices=INSTANCES, default="c7i.large", help="default: %(default)s")
    parser.add_argument("--instance-price", type=float, metavar="DOLLARS", help="an hour, instead of the one noted")
    parser.add_argument("--images", type=int, default=10**6)
    parser.add_argument("--images-per-hour", type=float, default=WORKLOADS[1].images_per_hour, help="of a worker")
    parser.add_argument("--arrivals-per-s", type=float, default=float("inf"), help="default: all at once")
    parser.add_argument("--target-backlog", type=float, help="images per worker; default: what it does in 10 minutes")
    parser.add_argument("--boot-s", type=float, default=Scenario.boot_s)
    parser.add_argument("--cooldown-s", type=float, default=Scenario.cooldown_s)
    parser.add_argument("--max-workers", type=int, default=Scenario.max_workers)
    parser.add_argument("--visibility-timeout-s", type=float, default=60, help="the template's")
    parser.add_argument("--kills-per-hour", type=float, default=0, help="of each worker")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the report")
    return parser


if __name__ == "__main__":
    sys.exit(main())
