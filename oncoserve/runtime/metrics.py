"""What Prometheus reads. With several processes every one that serves answers for all.

prometheus_client keeps the numbers in memory-mapped files when FOLDER_VARIABLE names a folder, a set of files for each
place: a process that is brought back goes on where the one before it ended, so that counters never fall and no files
are left behind. Otherwise, as in tests of one process, they are in memory.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from oncoserve.errors import all_errors
from oncoserve.runtime.sharing import map_file
from supervision.keeper import Cause
from supervision.output import UnblockedOutput

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own name."""

PLACE_VARIABLE = "ONCOSERVE_PLACE"
"""The environment variable through which a process learns which files are its own."""

# As large as all series of one process may become, several times over: a file that grows later might find no room, and
# that ends its process.
FILE_BYTES = {
    "counter": 2**19,
    "histogram": 2**19,
    "gauge_livesum": 2**16,
    "gauge_livemin": 2**16,
    "gauge_livemostrecent": 2**16,
}


def make_files(folder: Path, place: str) -> None:
    """Take the room for the numbers of one process.

    Raises:
        OSError: there is none.
    """
    for kind, size in FILE_BYTES.items():
        map_file(folder / f"{kind}_{place}.db", size).close()


def forget_gauges(folder: Path, place: str) -> None:
    """Drop what a process that has ended said of itself; what it counted stays."""
    for path in folder.glob(f"gauge_live*_{place}.db"):
        with path.open("r+b") as file:
            file.write(bytes(8))  # how many bytes are used


class ProcessMetrics:
    """The series of any process, also of one that only watches others; in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._folder = os.environ.get(FOLDER_VARIABLE)
        if self._folder is not None:
            place = os.environ[PLACE_VARIABLE]
            values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]
        self.restarts = Counter(
            "oncoserve_restarts", "Parts brought back, by cause.", ["part", "cause"], registry=self._registry
        )
        self.log_lines_dropped = Counter(
            "oncoserve_log_lines_dropped", "Log lines that nobody read in time.", registry=self._registry
        )
        for output in (sys.stdout, sys.stderr):
            if isinstance(output, UnblockedOutput):
                output.count_dropped = self.log_lines_dropped.inc

    def expect_restarts(self, parts: Iterable[str]) -> None:
        """Let the series of these parts begin at 0: one that starts with its first restart hides it from rate()."""
        for part in parts:
            for cause in Cause:
                self.restarts.labels(part, cause)

    def expose(self) -> bytes:
        """All series of all worker processes in Prometheus' text format."""
        if self._folder is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, path=self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(together)


class Metrics(ProcessMetrics):
    """All series of the frontend and of its workers."""

    def __init__(self) -> None:
        super().__init__()
        registry = self._registry
        self.requests = Counter(
            "oncoserve_requests", "Answered HTTP requests.", ["route", "method", "status"], registry=registry
        )
        self.duration = Histogram(
            "oncoserve_request_seconds", "Wall time of a request.", ["route"], buckets=SECONDS, registry=registry
        )
        self.errors = Counter("oncoserve_errors", "Answers that are errors, by code.", ["code"], registry=registry)
        for error in all_errors():
            self.errors.labels(error.code)  # a series that starts with its first error hides that error from rate()
        self.stages = Histogram(
            "oncoserve_stage_seconds",
            "Wall time of a stage of a prediction.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.predictions = Counter(
            "oncoserve_predictions",
            "Predictions: computed, found in the store, or given without asking the model.",
            ["model", "source"],
            registry=registry,
        )
        self.job_images = Counter(
            "oncoserve_job_images", "Images of jobs that ended.", ["model", "outcome"], registry=registry
        )
        self._job_backlog = Gauge(
            "oncoserve_job_backlog",
            "Images of jobs by what their messages do.",
            ["model", "state"],
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._queues: set[str] = set()
        self.in_flight = Gauge(
            "oncoserve_in_flight", "HTTP requests under way.", registry=registry, multiprocess_mode="livesum"
        )
        self.ready = Gauge(
            "oncoserve_ready", "1 when every model is ready.", registry=registry, multiprocess_mode="livemin"
        )
        self._model_ready, self.canaries_failed = _models(registry)
        self._models: set[str] = set()
        self.storage_ready, self.damaged = _storage(registry)

    def show_models(self, ready: Mapping[str, bool]) -> None:
        """Set which models are ready; one that is not there any more is not."""
        self._models |= ready.keys()
        for model in self._models:
            self._model_ready.labels(model).set(ready.get(model, False))
            self.canaries_failed.labels(model)  # a series that starts with its first failure hides it from rate()

    def show_backlog(self, backlog: Mapping[str, Mapping[str, int]]) -> None:
        """Set what waits for the workers: numbers of messages by model and state; what is missing is 0."""
        self._queues |= backlog.keys()
        for model in self._queues:
            now = backlog.get(model, {})
            for state in ("waiting", "in_flight", "dead"):
                self._job_backlog.labels(model, state).set(now.get(state, 0))


def _storage(registry: CollectorRegistry) -> tuple[Gauge, Counter]:
    ready = Gauge(
        "oncoserve_storage_ready",
        "1 when there is room for new results and the disk answers.",
        registry=registry,
        multiprocess_mode="livemin",
    )
    ready.set(1)
    damaged = Counter(
        "oncoserve_damaged_files", "Stored files that were damaged and count as absent.", registry=registry
    )
    return ready, damaged


def _models(registry: CollectorRegistry) -> tuple[Gauge, Counter]:
    """Whether each model is ready, and the canaries that it did not answer."""
    ready = Gauge(
        "oncoserve_model_ready",
        "1 when the model answers and is what its card says.",
        ["model"],
        registry=registry,
        multiprocess_mode="livemin",
    )
    failed = Counter(
        "oncoserve_canary_failures",
        "Requests of our own that a model should have answered and did not.",
        ["model"],
        registry=registry,
    )
    return ready, failed
