"""What the frontend expects of an inference server, held against the stand-in and against the real Triton."""

import asyncio
import contextlib
import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
from grpc import StatusCode, aio, method_handlers_generic_handler, unary_unary_rpc_method_handler
from grpc.aio import AioRpcError, Metadata
from tritonclient.grpc import service_pb2 as messages

from oncoserve.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable, ModelNotReady
from oncoserve.inference.pending import read_pending
from oncoserve.inference.triton import TritonBackend, translate
from testbed.fakes import FakeBackend, classifier
from testbed.servers import TritonServer, free_port
from testbed.tiny_models import expected_probabilities, random_images, write_classifier, write_slow

SIZE = 16
OUTPUTS = ["probabilities"]


@pytest.fixture(scope="module")
def server(embedded_triton, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    write_classifier(folder / "models", "tiny", size=SIZE)
    write_slow(folder / "models", "slow", steps=20)
    shutil.copytree(folder / "models/tiny/1", folder / "models/tiny/10")
    configuration = folder / "models/tiny/config.pbtxt"
    configuration.write_text(f"{configuration.read_text()}version_policy {{ all {{ }} }}\n")
    broken = write_classifier(folder / "models", "broken", size=SIZE)
    (broken / "1" / "model.onnx").write_bytes(b"no model")
    running = TritonServer(folder / "models", folder, exit_on_error="false")
    running.ready_url = running.ready_url.replace("/readyz", "/livez")
    with running:
        yield running


@pytest.fixture(params=["fake", "triton"])
async def backend(request):
    if request.param == "fake":
        made = FakeBackend(
            classifier("tiny", 4, (SIZE, SIZE), max_batch_size=8), classifier("broken"), classifier("slow")
        )
        made.loaded.remove("broken")
        made.versions = ("1", "10")
    else:
        made = TritonBackend(request.getfixturevalue("server").grpc_url)
    yield made
    await made.close()


@pytest.fixture
async def triton(server):
    made = TritonBackend(server.grpc_url)
    yield made
    await made.close()


async def infer(backend, images, *, model="tiny", timeout_s=10.0):
    return await backend.infer(model, "1", {"image": images}, OUTPUTS, timeout_s)


async def test_models_that_are_loaded(backend):
    states = {each.name: each for each in await backend.models()}
    assert states.keys() == {"tiny", "slow"}
    assert states["tiny"].versions == ("1", "10")


async def test_executions_are_counted_from_the_loading_on(triton):
    async def counted():
        (executions,) = [each.executions for each in await triton.models() if each.name == "tiny"]
        return executions["1"], executions["10"]

    before = await counted()
    await infer(triton, random_images(1, SIZE))
    async with asyncio.timeout(10):  # Triton counts an execution when its answer has already gone out
        while (after := await counted()) == before:
            await asyncio.sleep(0.01)
    assert after == (before[0] + 1, before[1])


@pytest.mark.parametrize("full", [False, True])
async def test_a_canary_comes_back(backend, full):
    model = await backend.configuration("tiny", "1")
    answer = await backend.canary(model, {"image": random_images(1, SIZE)}, full=full, timeout_s=10.0)
    assert answer.whole or not full


async def test_a_canary_says_what_is_served(server, triton):
    graph = server.folder / "models/tiny/1/model.onnx"
    model = await triton.configuration("tiny", "1")
    await infer(triton, random_images(1, SIZE))
    answer = await triton.canary(model, {"image": random_images(1, SIZE)}, full=False, timeout_s=10.0)
    assert answer.sha256 == hashlib.sha256(graph.read_bytes()).hexdigest()
    assert not answer.whole
    assert answer.longest_s > 0
    assert answer.loaded


async def test_a_canary_to_a_model_that_is_not_loaded(backend):
    model = replace(await backend.configuration("tiny", "1"), name="broken")
    with pytest.raises(ModelNotReady, match="broken"):
        await backend.canary(model, {"image": random_images(1, SIZE)}, full=False, timeout_s=10.0)


async def test_configuration(backend):
    configuration = await backend.configuration("tiny", "1")
    expected = classifier("tiny", 4, (SIZE, SIZE), max_batch_size=8)
    assert (configuration.inputs, configuration.outputs) == (expected.inputs, expected.outputs)
    assert (configuration.version, configuration.max_batch_size, configuration.platform) == ("1", 8, "onnxruntime")


@pytest.mark.parametrize("count", [1, 3])
async def test_answers(backend, count):
    images = random_images(count, SIZE)
    answer = await infer(backend, images)
    assert answer.keys() == {"probabilities"}
    np.testing.assert_allclose(answer["probabilities"], expected_probabilities(images), atol=1e-5)


@pytest.mark.parametrize("version", ["1", "10"])
async def test_each_version_answers(backend, version):
    assert (await backend.configuration("tiny", version)).version == version
    images = random_images(1, SIZE)
    answer = await backend.infer("tiny", version, {"image": images}, OUTPUTS, 10.0)
    np.testing.assert_allclose(answer["probabilities"], expected_probabilities(images), atol=1e-5)


async def test_a_version_that_is_not_loaded(backend):
    with pytest.raises(ModelNotReady, match="tiny"):
        await backend.infer("tiny", "2", {"image": random_images(1, SIZE)}, OUTPUTS, 10.0)


@pytest.mark.parametrize("model", ["unknown", "broken"])
async def test_model_that_is_not_loaded(backend, model):
    with pytest.raises(ModelNotReady, match=model):
        await infer(backend, random_images(1, SIZE), model=model)
    with pytest.raises(ModelNotReady, match=model):
        await backend.configuration(model, "1")
    with pytest.raises(ModelNotReady) as told:
        await backend.configuration(model, "")
    assert told.value.reason


@pytest.mark.parametrize(
    "images", [random_images(1, SIZE + 1), random_images(1, SIZE).astype(np.float32)], ids=["shape", "dtype"]
)
async def test_tensors_that_do_not_fit(backend, images):
    with pytest.raises(InferenceFailed):
        await infer(backend, images)
    await infer(backend, random_images(1, SIZE))


async def test_deadline(backend):
    if isinstance(backend, FakeBackend):
        backend.gate = asyncio.Event()
    with pytest.raises(DeadlineExceeded, match=r"within 0.05 s"):
        await backend.infer("slow", "1", {"seed": np.ones((1, 1), np.float32)}, ["result"], 0.05)


async def test_cancellation_passes_through(backend):
    if isinstance(backend, FakeBackend):
        backend.gate = asyncio.Event()
    asking = asyncio.create_task(infer(backend, random_images(1, SIZE)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("kind", ["fake", "triton"])
async def test_server_away(kind):
    if kind == "fake":
        away = FakeBackend()
        away.reachable = False
    else:
        away = TritonBackend(f"127.0.0.1:{free_port()}")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            with pytest.raises(InferenceUnavailable):
                await away.models()
            with pytest.raises(InferenceUnavailable):
                await infer(away, random_images(1, 8), model="tiny")
            await away.close()
            return
    pytest.fail("no answer within 30 s")


async def test_a_server_that_is_slow_to_greet_is_not_away(server):
    """As on a busy machine: it takes the connection at once, and says its first word half a second later."""

    passing = []

    async def copy(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                writer.write(data)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def pass_on(reader, writer):
        passing.append(asyncio.current_task())
        await asyncio.sleep(0.5)
        there, to_there = await asyncio.open_connection("127.0.0.1", server.grpc_port)
        await asyncio.gather(copy(reader, to_there), copy(there, writer))

    slow = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    backend = TritonBackend(f"127.0.0.1:{slow.sockets[0].getsockname()[1]}")
    try:
        assert (await backend.configuration("tiny", "1")).name == "tiny"
    finally:
        await backend.close()
        slow.close()
        await asyncio.gather(*passing)


def answer(*outputs):
    """A serialised response: name, shape and bytes of each output, all FP32."""
    response = messages.ModelInferResponse()
    for name, shape, raw in outputs:
        response.outputs.add(name=name, datatype="FP32", shape=shape)
        if raw is not None:
            response.raw_output_contents.append(raw)
    return response.SerializeToString()


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(b"\xff", id="no message"),
        pytest.param(answer(("other", [1, 2], bytes(8))), id="another output"),
        pytest.param(answer(("probabilities", [1, 2], bytes(12))), id="more than the shape says"),
        pytest.param(answer(("probabilities", [1, 2], bytes(7))), id="half a number"),
        pytest.param(answer(("probabilities", [1, 2], None)), id="no bytes"),
    ],
)
async def test_an_answer_that_is_not_what_it_says(given):
    """No Triton answers so; what stands between, or another version, might."""

    async def model_infer(*_):
        return given

    server = aio.server()
    handlers = {"ModelInfer": unary_unary_rpc_method_handler(model_infer)}
    server.add_generic_rpc_handlers([method_handlers_generic_handler("inference.GRPCInferenceService", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    backend = TritonBackend(f"127.0.0.1:{port}")
    try:
        with pytest.raises(InferenceFailed):
            await infer(backend, random_images(1, SIZE))
    finally:
        await backend.close()
        await server.stop(None)


async def test_how_many_requests_wait(server, triton):
    """Of a model that takes one after the other: those that Triton has not begun with."""
    seed = {"seed": np.ones((1, 1), np.float32)}
    asked = [asyncio.create_task(triton.infer("slow", "1", seed, ["result"], 60.0)) for _ in range(4)]
    waiting = 'nv_inference_pending_request_count{model="slow",version="1"} '
    seen = 0
    while not all(each.done() for each in asked):
        text = (await read_pending(f"127.0.0.1:{server.metrics_port}")).decode()
        seen = max([seen, *(int(float(line.removeprefix(waiting))) for line in text.splitlines() if waiting in line)])
        await asyncio.sleep(0.02)
    await asyncio.gather(*asked)
    assert 2 <= seen <= 4


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", DeadlineExceeded),
        (StatusCode.NOT_FOUND, "Request for unknown model: 'x' is not found", ModelNotReady),
        (StatusCode.UNAVAILABLE, "Request for unknown model: 'x' version 1 is not at ready state", ModelNotReady),
        (StatusCode.UNAVAILABLE, "failed to connect to all addresses", InferenceUnavailable),
        (StatusCode.UNAVAILABLE, "Socket closed", InferenceUnavailable),
        (StatusCode.CANCELLED, "Locally cancelled by application!", InferenceUnavailable),
        (StatusCode.INVALID_ARGUMENT, "unexpected shape for input 'image'", InferenceFailed),
        (StatusCode.INTERNAL, "the model raised", InferenceFailed),
        (StatusCode.INTERNAL, "Stub process 'x_0_0' is not healthy.", ModelNotReady),
        (StatusCode.UNKNOWN, None, InferenceFailed),
    ],
)
def test_what_a_status_means(status, message, expected):
    error = AioRpcError(status, Metadata(), Metadata(), details=message)
    assert type(translate(error, "x", 1.0)) is expected
