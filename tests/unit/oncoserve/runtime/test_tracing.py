"""Traces are off by default and then cost nothing; what they hold when they are on, read by a real collector."""

import itertools
import json
import socket
import subprocess
import sys
import time

import httpx
import pytest

from frontend.app import create_app
from oncoserve.runtime.timings import Timings
from oncoserve.runtime.tracing import Traces
from oncoserve.settings import Settings
from testbed.encoded_pictures import encoded, quarters
from testbed.fakes import FakeBackend, card, write_card
from testbed.servers import PROJECT
from tests.integration.observability.collector import Collector

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
PREDICT = "/v1/models/tiny/predict"


@pytest.fixture
def collector():
    with Collector() as running:
        yield running


@pytest.fixture
def traced(tmp_path, collector):
    """Sends requests to the application with traces on and returns the spans that were exported."""

    async def send(*requests, endpoint=collector.url):
        write_card(tmp_path / "models", card("tiny"))
        folders = {"model_repository": tmp_path / "models", "results_dir": tmp_path / "results"}
        app = create_app(Settings(otlp_endpoint=endpoint, **folders), FakeBackend())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://oncoserve") as http,
        ):
            for method, path, options in requests:
                await http.request(method, path, **options)
        return collector.spans

    return send


def test_off_loads_no_exporter_and_passes_no_metadata():
    """FastAPI itself imports the OpenTelemetry API; what costs memory and threads is the SDK and the exporter.

    Nor is anything loaded that only DICOM needs.
    """
    code = (
        "import sys, json; from frontend.app import create_app; from oncoserve.settings import Settings\n"
        "create_app(Settings()); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "oncoserve.runtime.tracing" in loaded
    dear = ("opentelemetry.sdk", "opentelemetry.exporter", "pydicom", "highdicom", "imagecodecs")
    assert not [name for name in loaded if name.startswith(dear)]
    with Traces().call("service/method", "tiny") as metadata:
        assert metadata is None


@pytest.mark.alone
async def test_the_callers_trace_goes_on_through_request_and_stages(traced):
    headers = {**SAMPLED, "X-Request-ID": "abc"}
    spans = await traced(("POST", PREDICT, {"content": encoded(quarters()), "headers": headers}))
    assert {span.trace for span in spans} == {TRACE}
    assert {span.service for span in spans} == {"oncoserve-frontend"}
    (request,) = [span for span in spans if span.parent == CALLER]
    assert request.name == "POST /v1/models/{model}/predict"
    assert request.attributes["oncoserve.request_id"] == "abc"
    stages = sorted((span for span in spans if span.parent == request.id), key=lambda span: span.start_ns)
    # It waits for the disk, and then for a thread.
    expected = ["receive", "queue", "lookup", "queue", "decode", "preprocess", "infer", "postprocess", "store"]
    assert [span.name for span in stages] == expected
    assert len(spans) == 1 + len(stages)
    for earlier, later in itertools.pairwise(stages):
        assert earlier.end_ns == later.start_ns
    assert stages[0].start_ns - request.start_ns < 50e6
    assert stages[-1].end_ns - request.end_ns < 50e6


async def test_without_a_caller_or_with_a_broken_one_a_trace_begins_here(traced):
    requests = [("GET", "/v1/models", {"headers": {"traceparent": value}}) for value in ("", "00-0-0-01", "x" * 9999)]
    spans = await traced(*requests)
    assert len({span.trace for span in spans}) == 3
    assert {span.parent for span in spans} == {""}


async def test_health_checks_and_scrapes_are_not_traced(traced):
    paths = ("/livez", "/readyz", "/metrics")
    assert await traced(*(("GET", path, {"headers": SAMPLED}) for path in paths)) == []


async def test_what_the_caller_does_not_sample_is_not_traced(traced):
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
    assert await traced(("POST", PREDICT, {"content": encoded(quarters()), "headers": headers})) == []


async def test_only_errors_of_ours_are_marked_as_such(traced, tmp_path):
    (tmp_path / "results").write_text("a file in the place of the folder")
    upload = ("POST", PREDICT, {"content": encoded(quarters())})
    spans = await traced(("POST", "/v1/models/none/predict", {}), upload)
    marks = {span.attributes["http.response.status_code"]: span.failed for span in spans if not span.parent}
    assert marks == {"404": False, "503": True}


@pytest.mark.parametrize(("sampler", "keys"), [("always_on", {"traceparent"}), ("always_off", set())])
def test_the_server_is_told_only_of_what_is_sampled(collector, monkeypatch, sampler, keys):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    traces = Traces(collector.url)
    with traces.call("service/method", "tiny") as metadata:
        assert set(metadata) == keys
    traces.close()
    assert len(collector.spans) == len(keys)
    if keys:
        (span,) = collector.spans
        assert metadata["traceparent"].startswith(f"00-{span.trace}-{span.id}-")


def test_a_call_that_fails_is_marked(collector):
    traces = Traces(collector.url)
    with pytest.raises(LookupError), traces.call("service/method", "tiny"):
        raise LookupError
    traces.close()
    assert [span.failed for span in collector.spans] == [True]


def test_stages_without_a_request_make_no_traces_of_their_own(collector):
    traces = Traces(collector.url)
    timings = Timings()
    timings.lap("decode")
    traces.stages(timings)
    traces.close()
    assert collector.spans == []


async def test_a_collector_that_does_not_answer_harms_nobody(traced, monkeypatch):
    monkeypatch.setattr("oncoserve.runtime.tracing.CLOSE_TIMEOUT_S", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        upload = ("POST", PREDICT, {"content": encoded(quarters())})
        await traced(upload, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert time.monotonic() - started < 8  # the exporter alone would go on for 10


@pytest.mark.parametrize("value", ["localhost:4318", "http://localhost:4318/v1/traces", "http://"])
def test_an_endpoint_is_an_address_without_a_path(value):
    with pytest.raises(ValueError, match="otlp_endpoint"):
        Settings(otlp_endpoint=value)
