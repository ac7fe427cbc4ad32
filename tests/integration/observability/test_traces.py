"""One trace from the caller through the frontend into the real Triton, put together by a collector."""

import contextlib
import itertools

import httpx
import pytest

from testbed.encoded_pictures import encoded, noise
from testbed.servers import FrontendServer, TritonServer
from testbed.tiny_models import write_classifier
from tests.integration.observability.collector import Collector

CALLER = "b7ad6b7169203331"
RPC = "inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module")
def collector():
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def url(embedded_triton, collector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced")
    write_classifier(folder / "repository", "tiny", size=16)
    settings = {"model_repository": folder / "repository", "results_dir": folder / "results"}
    triton = TritonServer(folder / "repository", folder, otlp_endpoint=collector.url)
    frontend = FrontendServer(triton.grpc_url, folder, otlp_endpoint=collector.url, **settings)
    for server in (triton, frontend):
        server.env["OTEL_BSP_SCHEDULE_DELAY"] = "200"  # ms between two batches; 5000 by default
    with triton, frontend:
        yield frontend.url


def predict(url, seed, traceparent=""):
    content = encoded(noise((16, 16), seed))
    response = httpx.post(
        f"{url}/v1/models/tiny/predict", content=content, headers={"traceparent": traceparent}, timeout=60
    )
    assert response.status_code == 200


def both_services(spans):
    return {span.service for span in spans} == {"oncoserve-frontend", "triton-inference-server"}


def test_the_callers_trace_reaches_tritons_model(url, collector):
    trace = "0af7651916cd43dd8448eb211c80319c"
    predict(url, 0, f"00-{trace}-{CALLER}-01")
    chain = ["POST /v1/models/{model}/predict", RPC, "InferRequest", "tiny", "compute"]
    collector.wait_for(lambda: {span.name for span in collector.of(trace)} >= {*chain, "infer"})
    spans = {span.name: span for span in collector.of(trace)}
    assert [spans[name].parent for name in chain] == [CALLER, *(spans[name].id for name in chain[:-1])]
    for outer, inner in itertools.pairwise(chain):
        assert spans[outer].start_ns <= spans[inner].start_ns, inner
    assert spans["compute"].start_ns < spans[RPC].end_ns  # Triton stamps ends after it sent the answer
    assert spans["infer"].start_ns <= spans[RPC].start_ns <= spans[RPC].end_ns <= spans["infer"].end_ns
    assert collector.paths == {"/v1/traces"}


def test_a_trace_that_begins_in_the_frontend_reaches_triton_too(url, collector):
    # Triton's exporter sends each batch once: on a busy machine one was lost.
    for seed in (5, 6, 7):
        known = {span.trace for span in collector.spans}
        predict(url, seed)
        with contextlib.suppress(AssertionError):
            collector.wait_for(lambda known=known: both_services(new(collector, known)), seconds=20)
            break
    (trace,) = {span.trace for span in new(collector, known)}
    assert both_services(collector.of(trace))


def new(collector, known):
    return [span for span in collector.spans if span.trace not in known]


def test_what_comes_from_the_store_asks_no_triton(url, collector):
    trace = "1" * 32
    predict(url, 1, f"00-{'2' * 32}-{CALLER}-01")
    predict(url, 1, f"00-{trace}-{CALLER}-01")
    collector.wait_for(lambda: collector.of(trace))
    names = {span.name for span in collector.of(trace)}
    assert "lookup" in names
    assert not names & {RPC, "infer", "InferRequest"}


def test_what_the_caller_does_not_sample_is_traced_by_neither(url, collector):
    unsampled, marker = "3" * 32, "4" * 32
    predict(url, 3, f"00-{unsampled}-{CALLER}-00")
    predict(url, 4, f"00-{marker}-{CALLER}-01")  # sent after it, so what arrives with it is all there will be
    collector.wait_for(lambda: both_services(collector.of(marker)))
    assert collector.of(unsampled) == []
