"""How a graph is run on a GPU, with a CPU in its place, and in memory that it reads by itself."""

import ctypes
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from inference_server.runtime import BACKENDS
from testbed.tiny_models import expected_probabilities, random_images, write_classifier

MODULES = ("sessions", "onnx_batches", "cuda_libraries")
PARAMETERS = {
    "cudnn_conv_algo_search": "EXHAUSTIVE", "enable_cuda_graph": "0", "gpu_mem_limit": "9", "prefer_nhwc": "1",
    "use_tf32": "0",
}  # fmt: skip


@pytest.fixture
def sessions(monkeypatch):
    """The module, with its neighbours beside it as Triton has them."""
    monkeypatch.syspath_prepend(BACKENDS / "onnxruntime")
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import sessions  # noqa: PLC0415 - only there now

    yield sessions
    for name in MODULES:
        sys.modules.pop(name, None)


def device(sessions, **parameters):
    return sessions.on_gpu("3", {name: {"string_value": value} for name, value in parameters.items()})


def test_a_configuration_says_how_a_gpu_runs_its_graph(sessions):
    plain = device(sessions, intra_op_thread_count="2")
    assert plain.options == {"device_id": "3", "cudnn_conv_algo_search": "HEURISTIC"}
    assert (plain.number, plain.pinned, plain.bound) == (3, False, False)
    assert device(sessions, **PARAMETERS).options == {"device_id": "3", **PARAMETERS}
    assert device(sessions, oncoserve_pinned="1").pinned
    assert device(sessions, oncoserve_bound="1").bound
    assert device(sessions, enable_cuda_graph="1").bound, "a recorded execution needs tensors that stay where they are"


@pytest.fixture
def graph(tmp_path):
    return write_classifier(tmp_path) / "1/model.onnx"


def test_a_bound_session_answers_every_batch_anew_and_keeps_none(sessions, graph):
    on_cpu = sessions.Device(bound=True)
    session = sessions._BoundSession(graph, onnxruntime.SessionOptions(), on_cpu, 4, fixed=True)
    batches = [random_images(count, seed=count) for count in (4, 3, 1)]
    expected = [expected_probabilities(batch) for batch in batches]
    # The first as one request, which is not copied: on a CPU the session would else share the memory of those that are.
    requests = [[{"image": batches[0]}], *([{"image": each[np.newaxis]} for each in batch] for batch in batches[1:])]
    answers = [session.run(["probabilities"], each)[0] for each in requests]
    for rows, answer in zip(expected, answers, strict=True):
        np.testing.assert_allclose(answer[: len(rows)], rows, atol=1e-5)


@pytest.mark.parametrize(("bound", "kind"), [(False, "_Session"), (True, "_BoundSession")])
def test_tensors_are_bound_where_that_is_asked_for(sessions, graph, monkeypatch, bound, kind):
    made = []
    for name in ("_Session", "_BoundSession"):
        monkeypatch.setattr(
            sessions, name, lambda *given, fixed, name=name: made.append((name, *given[3:], fixed)) or SimpleNamespace()
        )
    sessions.Sessions(graph, onnxruntime.SessionOptions(), sessions.Device("cuda", bound=bound), 6)
    assert made == [(kind, rows, True) for rows in (1, 2, 4, 6)]


def test_a_batch_goes_to_the_smallest_session_that_takes_it(sessions, graph):
    found = sessions.Sessions(graph, onnxruntime.SessionOptions(), sessions.Device("a GPU's sizes"), 6)
    assert [found.filled(rows) for rows in range(1, 7)] == [1, 2, 4, 4, 6, 6]


def test_page_locked_batches_are_joined_in_memory_that_cuda_gave(sessions, graph, monkeypatch):
    given = []

    def cuda_host_alloc(address, size, flags):
        given.append((ctypes.c_uint8 * size.value)(*[255] * size.value))
        address._obj.value = ctypes.addressof(given[-1])
        return flags

    def load(name):
        assert name == "libcudart.so.13"
        return SimpleNamespace(cudaHostAlloc=cuda_host_alloc)

    monkeypatch.setattr(sessions.cuda_libraries, "cuda_major", lambda: "13")
    monkeypatch.setattr(sessions.cuda_libraries, "ctypes", SimpleNamespace(**{**vars(ctypes), "CDLL": load}))
    session = sessions._Session(graph, onnxruntime.SessionOptions(), sessions.Device(pinned=True), 2, fixed=True)
    for batch in (random_images(1), random_images(2)):
        (answer,) = session.run(["probabilities"], [{"image": batch}])
        np.testing.assert_allclose(answer[: len(batch)], expected_probabilities(batch), atol=1e-5)
    (memory,) = given
    assert bytes(memory) == random_images(2).tobytes()


def test_memory_that_cuda_refuses_is_told(sessions, monkeypatch):
    refusing = SimpleNamespace(cudaHostAlloc=lambda *_: 2)
    monkeypatch.setattr(
        sessions.cuda_libraries, "ctypes", SimpleNamespace(**{**vars(ctypes), "CDLL": lambda _: refusing})
    )
    with pytest.raises(OSError, match="cudaHostAlloc of 12 bytes failed with error 2"):
        sessions.cuda_libraries.page_locked((3,), np.dtype(np.float32))
