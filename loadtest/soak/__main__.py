"""`python -m loadtest.soak`: starts the service on free ports, loads it, watches it, and reports in build/soak/."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

import httpx
import tritonclient.grpc.aio as triton

from loadtest.shared.answer_checks import Model
from loadtest.soak import soak_report
from loadtest.soak.traffic import Traffic
from loadtest.soak.trends import Slopes, trends
from loadtest.soak.watch import Watch, service_processes
from testbed.servers import PROJECT, FrontendServer, TritonServer

SAMPLE_EVERY_S = 5.0
OUT = PROJECT / "build/soak"


async def soak(http_url: str, triton_url: str, watch: Watch, seconds: float, callers: int, seed: int) -> Traffic:
    """Load a running service and watch its processes.

    Args:
        http_url: The frontend.
        triton_url: host:port of Triton's gRPC service.
        watch: Gets the samples; a process that ends is an unexpected error.
        seconds: How long.
        callers: Requests at once.
        seed: Decides pictures and order.
    """
    async with (
        httpx.AsyncClient(base_url=http_url, timeout=120) as http,
        triton.InferenceServerClient(triton_url) as direct,
    ):
        listed = (await http.get("/v1/models")).raise_for_status().json()["models"]
        traffic = Traffic(http, direct, [Model.from_document(each) for each in listed], seed)

        async def look() -> None:
            while True:
                for name in watch.look():
                    traffic.tally.blame(f"the process {name} has ended")
                await asyncio.sleep(SAMPLE_EVERY_S)

        looking = asyncio.create_task(look())
        try:
            await traffic.run(callers, seconds)
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
            watch.look()
    return traffic


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
        tempfile.TemporaryDirectory(prefix="oncoserve-soak-") as name,
        TritonServer(PROJECT / "model_repository", Path(name)) as server,
        FrontendServer(server.grpc_url, Path(name), results_dir=Path(name) / "results") as frontend,
    ):
        watch = Watch(service_processes(frontend.serving_pid, server.pid))
        print(f"{frontend.url}, Triton {server.grpc_url}: {given.minutes:g} minutes", flush=True)
        traffic = asyncio.run(soak(frontend.url, server.grpc_url, watch, given.minutes * 60, given.callers, given.seed))
    found = trends(watch.samples)
    broken = soak_report.write(given.out, given.minutes, traffic.tally, watch.samples, found, limits)
    print((given.out / "soak.md").read_text())
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
