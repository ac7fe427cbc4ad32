"""`python -m loadtest.soak`: starts the service on free ports, loads it, watches it, and reports in build/soak/."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import httpx
import tritonclient.grpc.aio as triton

from loadtest.chaos.whole_service import HurtService
from loadtest.shared.answer_checks import Model
from loadtest.soak import soak_report
from loadtest.soak.traffic import Traffic
from loadtest.soak.trends import WARM_UP, Slopes, trends
from loadtest.soak.troubles import Troubles, chosen
from loadtest.soak.watch import Watch, service_processes
from testbed.servers import PROJECT

SAMPLE_EVERY_S = 5.0
LAST_S = 60.0  # of the warm-up, which belong to the last fault
OUT = PROJECT / "build/soak"


async def soak(
    http_url: str,
    triton_url: str,
    watch: Watch,
    seconds: float,
    callers: int,
    seed: int,
    troubles: Troubles | None = None,
) -> Traffic:
    """Load a running service and watch its processes.

    Args:
        http_url: The frontend.
        triton_url: host:port of Triton's gRPC service.
        watch: Gets the samples; a process that ends is an unexpected error.
        seconds: How long.
        callers: Requests at once.
        seed: Decides pictures and order.
        troubles: Hurts the service while it warms up, which no slope counts; None leaves it alone.
    """
    async with (
        httpx.AsyncClient(base_url=http_url, timeout=120) as http,
        triton.InferenceServerClient(triton_url) as direct,
    ):
        listed = (await http.get("/v1/models")).raise_for_status().json()["models"]
        traffic = Traffic(http, direct, [Model.from_document(each) for each in listed], seed)

        def trouble(now: bool) -> None:  # noqa: FBT001 - what it says
            traffic.troubled = now
            watch.follow()

        tasks = [asyncio.create_task(_look(watch, traffic))]
        if troubles is not None:
            names = [each["name"] for each in listed]
            tasks.append(asyncio.create_task(troubles.run(names, WARM_UP * seconds - LAST_S, trouble)))
        try:
            await traffic.run(callers, seconds)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            watch.look()
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return traffic


async def _look(watch: Watch, traffic: Traffic) -> None:
    while True:
        for name in watch.look():
            if not traffic.troubled:
                traffic.tally.blame(f"the process {name} has ended")
        await asyncio.sleep(SAMPLE_EVERY_S)


def main() -> int:
    """Return 0 when nothing unexpected happened and every slope is flat, otherwise 1."""
    arguments = argparse.ArgumentParser(prog="python -m loadtest.soak", description=__doc__)
    arguments.add_argument("--minutes", type=float, default=20)
    arguments.add_argument("--callers", type=int, default=4, help="requests at once")
    arguments.add_argument("--seed", type=int, default=0, help="decides pictures and order")
    arguments.add_argument("--max-mib-per-hour", type=float, default=Slopes.mib_per_hour)
    arguments.add_argument("--max-files-per-hour", type=float, default=Slopes.files_per_hour)
    arguments.add_argument("--out", type=Path, default=OUT, help="folder of the report")
    given = arguments.parse_args()
    limits = Slopes(given.max_mib_per_hour, given.max_files_per_hour)
    with (
        tempfile.TemporaryDirectory(prefix="oncoserve-soak-", ignore_cleanup_errors=True) as name,
        HurtService(Path(name), {}, PROJECT / "model_repository", job_workers=1, job_lease_s=5) as service,
    ):
        watch = Watch(lambda: service_processes(service.pid))
        troubles = Troubles(service, chosen(), given.seed)
        print(f"{service.url}, Triton {service.grpc_url}: {given.minutes:g} minutes", flush=True)
        traffic = asyncio.run(
            soak(service.url, service.grpc_url, watch, given.minutes * 60, given.callers, given.seed, troubles)
        )
    found = trends(watch.samples)
    broken = soak_report.write(given.out, given.minutes, traffic.tally, watch.samples, found, limits, troubles.outcomes)
    print((given.out / "soak.md").read_text())
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
