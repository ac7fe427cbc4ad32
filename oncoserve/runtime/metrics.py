"""What Prometheus reads. With several worker processes every one of them answers for all.

prometheus_client keeps the numbers in memory-mapped files when PROMETHEUS_MULTIPROC_DIR is set before it is imported
(frontend/__main__.py does that); otherwise, as in tests of one process, in memory.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from oncoserve.errors import all_errors

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

LIVE_GAUGE = re.compile(r"gauge_live\w+_(\d+)\.db")


class Metrics:
    """The frontend's series, in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
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
            "Predictions, computed or found in the store.",
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

    def expose(self) -> bytes:
        """All series of all worker processes in Prometheus' text format."""
        if self._folder is None:
            return generate_latest(self._registry)
        _forget_dead_processes(Path(self._folder))
        together = CollectorRegistry()
        MultiProcessCollector(together, path=self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(together)


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


def _forget_dead_processes(folder: Path) -> None:
    """Drop the live gauges of processes that ended without cleaning up."""
    pids = {int(match[1]) for path in folder.iterdir() if (match := LIVE_GAUGE.fullmatch(path.name))}
    for pid in pids:
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
