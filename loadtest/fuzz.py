"""`python -m loadtest.fuzz --files 10000 --seed 1`: damaged pictures through the real service, as a table.

Every answer has to be 2xx or a problem of 4xx, the service has to answer as before at the end, and its memory has to
stay near what it was after a warm-up. Starts its own Triton, with a tiny model, and its own frontend on free ports of
127.0.0.1, and ends by itself. What was answered otherwise is written to build/fuzz/ and sets the exit code.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from loadtest.mutants import Mutant, mutants, originals
from testbed.servers import PROJECT, FrontendServer, TritonServer
from testbed.tiny_models import write_classifier

OUT = PROJECT / "build/fuzz"
CALLERS = 4
WARM_UP_FILES = 500
WARM_UP_SEED = 2**32
MAX_GROWTH_MIB = 50


@dataclass
class Report:
    """What came back.

    Attributes:
        answers: how often each kind of mutant got each answer: "200", or status and code.
        bad: mutants with another answer than 2xx or a 4xx problem, and the answer.
        unchanged: whether whole pictures are answered at the end as they were at the start.
        slowest_s: the longest time that one answer took, in seconds, of any caller.
        start_mib: resident memory of the frontend after the warm-up, in MiB.
        end_mib: the same at the end.
        most_mib: the most that was seen in between.
    """

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    bad: list[tuple[Mutant, str]] = field(default_factory=list)
    unchanged: bool = False
    slowest_s: float = 0.0
    start_mib: float = 0.0
    end_mib: float = 0.0
    most_mib: float = 0.0

    def good(self) -> bool:
        """Whether nothing has to be mended."""
        return self.unchanged and not self.bad and self.end_mib - self.start_mib < MAX_GROWTH_MIB


def main() -> int:
    """Send, print and judge."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--files", type=int, default=10_000, help="how many damaged files")
    arguments.add_argument("--seed", type=int, default=1, help="another seed makes other files")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_classifier(folder / "repository")
        with (
            TritonServer(folder / "repository", folder) as triton,
            FrontendServer(
                triton.grpc_url, folder, model_repository=folder / "repository", results_dir=folder / "results"
            ) as frontend,
        ):
            started = time.perf_counter()
            report = fuzz(frontend, given.seed, given.files)
            seconds = time.perf_counter() - started
    show(report)
    print(f"whole pictures are answered as before: {'yes' if report.unchanged else 'NO'}")
    print(f"{given.files} files of seed {given.seed} in {seconds:.0f} s, the slowest in {report.slowest_s:.2f} s")
    for mutant, answer in report.bad:
        OUT.mkdir(parents=True, exist_ok=True)
        path = OUT / f"{given.seed}-{mutant.number}"
        path.write_bytes(mutant.data)
        print(f"BAD: {answer} for {path.relative_to(PROJECT)} ({mutant.name})")
    return 0 if report.good() else 1


def fuzz(frontend: FrontendServer, seed: int, count: int) -> Report:
    """Warm the service up, send `count` mutants, and see that it answers as before."""
    report = Report()
    process = psutil.Process(frontend.pid)
    with httpx.Client(base_url=frontend.url, timeout=60) as http:
        before = [_answer(http, data) for data in originals()]
        _send(frontend, mutants(WARM_UP_SEED, WARM_UP_FILES), Report())
        report.start_mib = _resident_mib(process)
        _send(frontend, mutants(seed, count), report)
        after = [_answer(http, data) for data in originals()]
    report.unchanged = after == before == ["200"] * len(before)
    report.end_mib = _resident_mib(process)
    return report


def _send(frontend: FrontendServer, files: Iterable[Mutant], report: Report) -> None:
    process = psutil.Process(frontend.pid)
    local, lock = threading.local(), threading.Lock()
    clients: list[httpx.Client] = []

    def send(mutant: Mutant) -> None:
        if not hasattr(local, "http"):
            local.http = httpx.Client(base_url=frontend.url, timeout=60)
            clients.append(local.http)
        started = time.perf_counter()
        answer = _answer(local.http, mutant.data)
        seconds = time.perf_counter() - started
        with lock:
            report.answers[mutant.name, answer] += 1
            report.slowest_s = max(report.slowest_s, seconds)
            report.most_mib = max(report.most_mib, _resident_mib(process))
            if answer[0] not in "24":
                report.bad.append((mutant, answer))

    with ThreadPoolExecutor(CALLERS) as pool:
        for _ in pool.map(send, files):
            pass
    for client in clients:
        client.close()


def _answer(http: httpx.Client, data: bytes) -> str:
    """The answer in a few words; "200", "422 corrupt_image", or what went wrong."""
    try:
        response = http.post("/v1/models/tiny/predict", content=data)
    except httpx.TransportError as error:
        return repr(error)
    if response.is_success:
        return str(response.status_code)
    if response.headers["content-type"] != "application/problem+json":
        return f"no problem document: {response.status_code} {response.text[:80]}"
    return f"{response.status_code} {response.json()['code']}"


def _resident_mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def show(report: Report) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
