"""`python -m loadtest.jobs --jobs 2000`: nothing lost, nothing doubled?

Sends jobs of one image each, among them one whose picture kills the worker that reads it, and kills workers with
SIGKILL at random until every image has ended. Starts its own Triton with a tiny model on free ports of 127.0.0.1, and
ends by itself; the exit code is 1 when something was lost or doubled.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from loadtest.jobs.chaos import MODEL, chaos
from testbed.aws_emulator import storage
from testbed.servers import Server, TritonServer
from testbed.storage.shared_storage import shared_settings, shared_storage
from testbed.tiny_models import write_classifier


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.jobs", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of one image each")
    parser.add_argument("--workers", type=int, default=3, help="worker processes")
    parser.add_argument("--kill-every", type=float, default=4.0, metavar="S", help="mean seconds between two kills")
    parser.add_argument("--lease", type=float, default=5.0, metavar="S", help="ONCO_JOB_LEASE_S")
    parser.add_argument("--aws", action="store_true", help="on S3, SQS and DynamoDB, as an emulator has them")
    parser.add_argument(
        "--postgres", action="store_true", help="on PostgreSQL and SeaweedFS, which are killed in turn with the workers"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oncoserve-jobs-") as name:
        folder = Path(name)
        write_classifier(folder / "models", MODEL, size=64)
        with contextlib.ExitStack() as stack:
            triton = stack.enter_context(TritonServer(folder / "models", folder))
            settings = {
                "ONCO_INFERENCE_URL": triton.grpc_url,
                "ONCO_MODEL_REPOSITORY": str(folder / "models"),
                "ONCO_RESULTS_DIR": str(folder / "results"),
                "ONCO_JOB_LEASE_S": str(given.lease),
                **(stack.enter_context(storage(folder, MODEL)) if given.aws else {}),
            }
            servers: tuple[Server, ...] = ()
            if given.postgres:
                postgres, seaweed = stack.enter_context(shared_storage(folder))
                servers, shared = (postgres, seaweed), shared_settings(postgres, seaweed)
                settings |= {f"ONCO_{name.upper()}": str(value) for name, value in shared.items()}
            report = asyncio.run(chaos(settings, folder, given.jobs, given.workers, given.kill_every, storage=servers))
    for key, value in asdict(report).items():
        print(f"{key:12} {value:.1f}" if isinstance(value, float) else f"{key:12} {value}")
    print("sound" if report.sound else "NOT SOUND")
    return 0 if report.sound else 1


if __name__ == "__main__":
    sys.exit(main())
