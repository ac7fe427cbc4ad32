"""Sends damaged pictures to the real frontend, and keeps what it answers and how its memory grows."""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import httpx

from loadtest.fuzz.mutants import Mutant, mutants, originals
from loadtest.shared.process_family import resident_mib
from testbed.http_callers import FOREIGN_WORDS
from testbed.servers import FrontendServer

CALLERS: Final = 4
WARM_UP_FILES: Final = 500
WARM_UP_SEED: Final = 2**32
MAX_GROWTH_MIB: Final = 50
TIMEOUT_S: Final = 60


@dataclass
class FuzzReport:
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

    def note(self, mutant: Mutant, answer: str, seconds: float, memory_mib: float) -> None:
        """Count one answer."""
        self.answers[mutant.name, answer] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        self.most_mib = max(self.most_mib, memory_mib)
        if answer[0] not in "24":
            self.bad.append((mutant, answer))

    def good(self) -> bool:
        """Whether nothing has to be mended."""
        return self.unchanged and not self.bad and self.end_mib - self.start_mib < MAX_GROWTH_MIB


def fuzz(frontend: FrontendServer, seed: int, count: int) -> FuzzReport:
    """Warm the service up, send `count` mutants, and see that it answers as before."""
    report = FuzzReport()
    with httpx.Client(base_url=frontend.url, timeout=TIMEOUT_S) as http:
        before = [_answer(http, data) for data in originals()]
        _send(frontend, mutants(WARM_UP_SEED, WARM_UP_FILES), FuzzReport())
        report.start_mib = resident_mib(frontend.serving_pid)
        _send(frontend, mutants(seed, count), report)
        after = [_answer(http, data) for data in originals()]
    report.unchanged = after == before == ["200"] * len(before)
    report.end_mib = resident_mib(frontend.serving_pid)
    return report


def _send(frontend: FrontendServer, files: Iterable[Mutant], report: FuzzReport) -> None:
    """Send every file, a few at once, and note the answers."""
    lock = threading.Lock()
    turns = iter(files)

    def work() -> None:
        with httpx.Client(base_url=frontend.url, timeout=TIMEOUT_S) as http:
            while True:
                with lock:
                    mutant = next(turns, None)
                if mutant is None:
                    return
                started = time.perf_counter()
                answer = _answer(http, mutant.data)
                seconds = time.perf_counter() - started
                with lock:
                    report.note(mutant, answer, seconds, resident_mib(frontend.serving_pid))

    with ThreadPoolExecutor(CALLERS) as pool:
        for caller in [pool.submit(work) for _ in range(CALLERS)]:
            caller.result()


def _answer(http: httpx.Client, data: bytes) -> str:
    """The answer in a few words; "200", "422 corrupt_image", or what went wrong."""
    try:
        response = http.post("/v1/models/tiny/predict", content=data)
    except httpx.TransportError as error:
        return repr(error)
    if response.is_success:
        return str(response.status_code)
    if words := FOREIGN_WORDS.search(response.text):
        return f"a library's words, {words[0]!r}: {response.text[:200]}"
    if response.headers["content-type"] != "application/problem+json":
        return f"no problem document: {response.status_code} {response.text[:80]}"
    return f"{response.status_code} {response.json()['code']}"
