"""`python -m loadtest.fuzz --files 10000 --seed 1`: damaged pictures through the real service, as a table.

Every answer has to be 2xx or a problem of 4xx, the service has to answer as before at the end, and its memory has to
stay near what it was after a warm-up. Starts its own Triton, with a tiny model, and its own frontend on free ports of
127.0.0.1, and ends by itself. What was answered otherwise is written to build/fuzz/ and sets the exit code.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from loadtest.fuzz.fuzzing import FuzzReport, fuzz
from testbed.servers import PROJECT, FrontendServer, TritonServer
from testbed.tiny_models import write_classifier

OUT: Final = PROJECT / "build/fuzz"


def main() -> int:
    """Send, print and judge."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help="how many damaged files")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other files")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository = folder / "repository"
        write_classifier(repository)
        with (
            TritonServer(repository, folder) as triton,
            FrontendServer(
                triton.grpc_url, folder, model_repository=repository, results_dir=folder / "results"
            ) as frontend,
        ):
            started = time.perf_counter()
            report = fuzz(frontend, given.seed, given.files)
            seconds = time.perf_counter() - started
    show(report)
    print(f"{given.files} files of seed {given.seed} in {seconds:.0f} s, the slowest in {report.slowest_s:.2f} s")
    for mutant, answer in report.bad:
        OUT.mkdir(parents=True, exist_ok=True)
        path = OUT / f"{given.seed}-{mutant.number}"
        path.write_bytes(mutant.data)
        print(f"BAD: {answer} for {path.relative_to(PROJECT)} ({mutant.name})")
    return 0 if report.good() else 1


def show(report: FuzzReport) -> None:
    """Print the table."""
    answers = sorted({answer for _, answer in report.answers})
    names = sorted({name for name, _ in report.answers})
    print("| mutation | " + " | ".join(answers) + " |")
    print("|---|" + "---:|" * len(answers))
    for name in names:
        print(f"| {name} | " + " | ".join(str(report.answers[name, answer]) for answer in answers) + " |")
    total = [str(sum(report.answers[name, answer] for name in names)) for answer in answers]
    print("| all | " + " | ".join(total) + " |")
    print(
        f"resident memory of the frontend: {report.start_mib:.0f} MiB after the warm-up, {report.end_mib:.0f} MiB at "
        f"the end, {report.most_mib:.0f} MiB at most"
    )
    print(f"whole pictures are answered as before: {'yes' if report.unchanged else 'NO'}")


if __name__ == "__main__":
    sys.exit(main())
