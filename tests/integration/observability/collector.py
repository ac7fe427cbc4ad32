"""A collector for OpenTelemetry traces, as small as a test needs it: OTLP over HTTP, protobuf or JSON."""

import base64
import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One span; ids in hexadecimal, times in nanoseconds since 1970, parent "" for a root."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    start_ns: int
    end_ns: int
    attributes: dict
    failed: bool


class Collector:
    """Listens on a free port and keeps every span; a context manager."""

    def __init__(self):
        self.spans: list[Span] = []
        self.paths: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.paths.add(self.path)
                collector.spans += list(_spans(body, self.headers["content-type"]))
                self.send_response(200)
                self.send_header("content-type", self.headers["content-type"])
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, trace):
        """The spans of one trace so far."""
        return [span for span in self.spans if span.trace == trace]

    def wait_for(self, condition, seconds=60):
        """Wait until the condition holds; exporters send in batches, seconds apart."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s; so far: {self.spans}"
            time.sleep(0.05)


def _spans(body, content_type):
    if content_type.startswith("application/json"):  # Triton's exporter
        request, spell = json.loads(body), str
    else:
        request, spell = MessageToDict(ExportTraceServiceRequest.FromString(body)), _hexadecimal
    for resource in request.get("resourceSpans", []):
        service = _attributes(resource["resource"])["service.name"]
        for span in (span for scope in resource.get("scopeSpans", []) for span in scope["spans"]):
            yield Span(
                service,
                span["name"],
                *(spell(span.get(key, "")) for key in ("traceId", "spanId", "parentSpanId")),
                int(span["startTimeUnixNano"]),
                int(span["endTimeUnixNano"]),
                _attributes(span),
                span.get("status", {}).get("code") == "STATUS_CODE_ERROR",
            )


def _attributes(message):
    return {each["key"]: next(iter(each["value"].values()), None) for each in message.get("attributes", [])}


def _hexadecimal(value):
    """Protobuf's bytes come out of MessageToDict in base64; OTLP's own JSON has hexadecimal."""
    return base64.b64decode(value).hex()
