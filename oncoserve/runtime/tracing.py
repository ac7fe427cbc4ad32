"""OpenTelemetry traces, off unless ONCO_OTLP_ENDPOINT names a collector.

A trace of a prediction: FastAPI's own span of the request (it continues the caller's W3C `traceparent`), below it one
span per stage, made afterwards from the stopwatch's laps, and one per call to Triton, whose traceparent goes along so
that Triton's spans hang below it. Sampling and limits are OpenTelemetry's own OTEL_* variables.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from oncoserve import __version__
from oncoserve.runtime.nearby import is_near
from oncoserve.runtime.timings import Timings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE = "oncoserve-frontend"
CLOSE_TIMEOUT_S = 3.0
HIDDEN = {"url.path": "hidden", "url.query": "hidden"}  # callers write names into addresses; http.route stays


class Traces:
    """The traces of one process. Without an endpoint every method does nothing, and no exporter is loaded.

    Args:
        endpoint: the collector's OTLP/HTTP address without a path, such as http://localhost:4318; empty is off.
    """

    def __init__(self, endpoint: str = "") -> None:
        self.provider = _export_to(f"{endpoint.rstrip('/')}/v1/traces") if endpoint else None
        self._tracer = self.provider.get_tracer(SERVICE, __version__) if self.provider else None

    @contextmanager
    def call(self, method: str, model: str) -> Iterator[Mapping[str, str] | None]:
        """A span around one call to the inference server.

        Args:
            method: the RPC as `service/method`, the span's name.
            model: the model that is asked.

        Yields:
            The metadata that lets the server join the trace, or None.
        """
        if self._tracer is None:
            yield None
            return
        attributes = {"rpc.system": "grpc", "oncoserve.model": model}
        with self._tracer.start_as_current_span(method, kind=trace.SpanKind.CLIENT, attributes=attributes) as span:
            metadata: dict[str, str] = {}
            # Triton traces whatever brings a traceparent, sampled or not, so an unsampled one stays here.
            if span.is_recording():
                TraceContextTextMapPropagator().inject(metadata)
            yield metadata

    def name(self, request_id: str) -> None:
        """Write the request's id on its span, so that log lines and traces can be joined, and hide its address."""
        if self._tracer is not None:
            trace.get_current_span().set_attributes({"oncoserve.request_id": request_id, **HIDDEN})

    def stages(self, timings: Timings) -> None:
        """Add one span per lap of the stopwatch below the request's span."""
        # A request that FastAPI was told to leave out has no span; its stages must not become traces of their own.
        if self._tracer is None or not trace.get_current_span().get_span_context().trace_flags.sampled:
            return
        start_ns = time.time_ns() - round(timings.total_ms() * 1e6)
        begin_ns = start_ns
        for stage, end_ms in timings.ends_ms:
            end_ns = start_ns + round(end_ms * 1e6)
            self._tracer.start_span(stage, start_time=begin_ns).end(end_ns)
            begin_ns = end_ns

    def close(self) -> None:
        """Send what has not been sent yet; a collector that does not answer delays the end only briefly."""
        if self.provider is not None:
            sending = threading.Thread(target=self.provider.shutdown, daemon=True)
            sending.start()
            sending.join(CLOSE_TIMEOUT_S)


def _export_to(url: str) -> "TracerProvider":
    # Loaded here, because a process that exports nothing should not pay for the exporter.
    import requests  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": SERVICE, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    direct = None
    if is_near(url):
        direct = requests.Session()
        direct.trust_env = False  # of the environment these are the proxies
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, session=direct)))
    return provider
