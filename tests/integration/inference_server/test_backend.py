"""The backend on the real Triton: right answers, real batches, and one bad request fails alone."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from inference_server.models.model_keeper import CANARY_EVERY_S
from testbed import tiny_models
from tests.integration.inference_server.calls import probabilities, statistics, statistics_after, tensor


def test_answers_equal_bare_onnx_runtime(client, tiny_triton):
    images = tiny_models.random_images(3)
    model = tiny_triton.folder / "models/tiny/1/model.onnx"
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (expected,) = session.run(["probabilities"], {"image": images})
    answer = probabilities(client, images)
    np.testing.assert_array_equal(answer, expected)
    np.testing.assert_allclose(answer, tiny_models.expected_probabilities(images), atol=1e-5)


@pytest.mark.parametrize("kind", tiny_models.EVERY_TYPE)
def test_every_type_passes_unchanged(client, kind):
    dtype = {"BOOL": np.bool_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}.get(kind)
    values = (np.arange(6).reshape(2, 3) % 5 - (kind[0] in "IF")).astype(dtype or kind.lower())
    zeros = {name: np.zeros((2, 3), dtype=grpc_dtype(name)) for name in tiny_models.EVERY_TYPE}
    inputs = [tensor(f"in_{name}", values if name == kind else zero) for name, zero in zeros.items()]
    answer = client.infer("every_type", inputs, outputs=[grpcclient.InferRequestedOutput(f"out_{kind}")])
    np.testing.assert_array_equal(answer.as_numpy(f"out_{kind}"), values, strict=True)
    assert [output.name for output in answer.get_response().outputs] == [f"out_{kind}"]


def grpc_dtype(kind):
    return {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64"}.get(kind, kind.lower())


def test_concurrent_callers_share_executions_and_each_gets_its_own_answer(client):
    callers, rounds = 16, 30
    images = tiny_models.random_images(callers)
    expected = tiny_models.expected_probabilities(images)
    assert np.unique(expected.round(4), axis=0).shape[0] == callers, "the inputs must be told apart"
    before, began = statistics(client, "tiny"), time.monotonic()

    def call(number):
        size = 1 + number % 3  # several images in one request, too
        batch = np.take(images, range(number, number + size), axis=0, mode="wrap")
        wanted = np.take(expected, range(number, number + size), axis=0, mode="wrap")
        for _ in range(rounds):
            np.testing.assert_allclose(probabilities(client, batch), wanted, atol=1e-5)
        return rounds * size

    with ThreadPoolExecutor(callers) as pool:
        sent = sum(pool.map(call, range(callers)))
    inferences, executions = statistics_after(client, "tiny", before, sent)
    canaries = inferences - sent  # the launcher's, which Triton counts as well: one image, perhaps executed alone
    assert 0 <= canaries <= 1 + (time.monotonic() - began) / CANARY_EVERY_S
    assert executions - canaries < sent / 2


def test_one_bad_request_of_a_batch_fails_alone(client, tiny_triton):
    before = tiny_triton.triton_log.count("failed")

    def call(index):
        try:
            return float(client.infer("lookup", [tensor("index", np.array([[index]]))]).as_numpy("value")[0, 0])
        except InferenceServerException as error:
            return error

    indices = [0, 1, 99, 3, 4, 99, 6, 7] * 20
    _, executions = statistics(client, "lookup")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, indices))
    for index, answer in zip(indices, answers, strict=True):
        if index == 99:
            assert answer.status() == "StatusCode.INTERNAL"
            assert "out of data bounds, idx=99" in answer.message()
        else:
            assert answer == 10.0 * index
    assert statistics(client, "lookup")[1] - executions < len(indices), "no request ever met another one in a batch"
    assert tiny_triton.triton_log.count("failed") == before


def test_requests_of_different_shapes_are_all_answered(client):
    def call(size):
        images = tiny_models.random_images(2, size=size, seed=size)
        expected = tiny_models.expected_probabilities(images)
        np.testing.assert_allclose(probabilities(client, images, "any_size"), expected, atol=1e-5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, [8, 16, 24, 8, 16, 24, 32, 8] * 5))


def test_a_model_without_batching_takes_its_batch_axis_from_dims(client):
    images = tiny_models.random_images(5)
    expected = tiny_models.expected_probabilities(images)
    np.testing.assert_allclose(probabilities(client, images, "unbatched"), expected, atol=1e-5)


def test_a_cancelled_request_is_not_computed(client, tiny_triton):
    """Told by the backend's own processor time, which does not depend on what else the machine does."""
    backend, seed = backend_of(tiny_triton, "slow"), [tensor("seed", np.ones((1, 1), np.float32))]

    def worked_s():
        spent = backend.cpu_times()
        return spent.user + spent.system

    client.infer("slow", seed)
    start = worked_s()
    client.infer("slow", seed)
    before = worked_s()
    one_s = before - start

    answers = []
    calls = [client.async_infer("slow", seed, lambda result, error: answers.append(error)) for _ in range(6)]
    wait_until(lambda: worked_s() > before + one_s / 8)  # the first one runs, the others wait or come yet
    for call in calls[1:]:
        call.cancel()
    client.infer("slow", seed)
    assert worked_s() - before < 4 * one_s, "cancelled requests were computed"  # two were; seven with the five between
    wait_until(lambda: len(answers) == len(calls))
    assert answers.count(None) == 1


def test_cancelled_requests_that_meet_in_a_batch_do_no_harm(client, tiny_triton):
    """Each is handed a response of its own: one response to two requests ended Triton with a segmentation fault."""
    backend, seed = backend_of(tiny_triton, "slow_batches"), [tensor("seed", np.ones((1, 1), np.float32))]
    triton = tiny_triton.triton_process()
    client.infer("slow_batches", seed)
    for _ in range(6):
        answers, before = [], backend.cpu_times().user

        def ask(into=answers):
            return client.async_infer("slow_batches", seed, lambda result, error: into.append(error))

        def computed_for(seconds, since=before):
            wait_until(lambda: backend.cpu_times().user >= since + seconds)

        ask()
        computed_for(0.02)
        gone = [ask() for _ in range(8)]
        computed_for(0.08)  # by now these are the next batch, which Triton has ready
        for call in gone:
            call.cancel()
        wait_until(lambda answers=answers: len(answers) == 9)
        assert answers.count(None) == 1
        assert client.infer("slow_batches", seed).as_numpy("result").shape == (1, 1)
    assert triton.is_running()


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def backend_of(server, model):
    """The process that computes a model."""
    stubs = (process for process in server.family() if process.name() == "triton_python_backend_stub")
    return next(stub for stub in stubs if any(f"models/{model}/" in word for word in stub.cmdline()))


def test_answers_do_not_leak_memory(client, tiny_triton):
    images = tiny_models.random_images(8)
    stub = backend_of(tiny_triton, "tiny")

    def burst():
        for _ in range(1000):
            probabilities(client, images)
        return stub.memory_info().rss - stub.memory_info().shared

    first = burst()
    assert burst() - first < 2_000_000  # bytes; holding on to 1000 inputs of 6 kB would take 6 MB
