import numpy as np
import pytest

from inference_server.backends.onnxruntime.onnx_batches import (
    ONNX_TYPES,
    Buffers,
    GraphTensor,
    filled_sizes,
    group_by_shape,
    mismatches,
    of_version,
    rows,
    split,
    zeros,
)

GRAPH = {"image": GraphTensor("tensor(uint8)", ["N", 240, 240, 3])}


def entry(name="image", data_type="TYPE_UINT8", dims=(240, 240, 3)):
    return {"name": name, "data_type": data_type, "dims": list(dims)}


def test_a_configuration_that_fits_has_no_mismatch():
    assert mismatches([entry()], GRAPH, batched=True) == []
    assert mismatches([entry(dims=(-1, 240, 240, 3))], GRAPH, batched=False) == []


@pytest.mark.parametrize("size", [None, "H", 0, -1])
def test_a_dynamic_axis_of_the_graph_takes_any_size(size):
    graph = {"image": GraphTensor("tensor(uint8)", [None, size, 240, 3])}
    assert mismatches([entry(dims=(77, 240, 3))], graph, batched=True) == []
    assert mismatches([entry(dims=(-1, 240, 3))], graph, batched=True) == []


@pytest.mark.parametrize(
    ("configured", "problem"),
    [
        (entry(name="picture"), "picture is not in the graph, which has image"),
        (entry(data_type="TYPE_FP32"), "image is TYPE_FP32 in config.pbtxt and tensor(uint8) in the graph"),
        (entry(data_type="TYPE_STRING"), "image is TYPE_STRING in config.pbtxt and tensor(uint8) in the graph"),
        (entry(dims=(224, 240, 3)), "image is [-1, 224, 240, 3] in config.pbtxt and [-1, 240, 240, 3] in the graph"),
        (entry(dims=(-1, 240, 3)), "image is [-1, -1, 240, 3] in config.pbtxt and [-1, 240, 240, 3] in the graph"),
        (entry(dims=(240, 240)), "image is [-1, 240, 240] in config.pbtxt and [-1, 240, 240, 3] in the graph"),
    ],
)
def test_a_contradiction_is_told_with_both_sides(configured, problem):
    (told,) = mismatches([configured], GRAPH, batched=True)
    assert told.startswith(problem)


def test_a_graph_with_a_fixed_batch_cannot_be_batched():
    graph = {"image": GraphTensor("tensor(uint8)", [1, 240, 240, 3])}
    assert len(mismatches([entry()], graph, batched=True)) == 1
    assert mismatches([entry(dims=(1, 240, 240, 3))], graph, batched=False) == []


def test_outputs_that_a_version_lacks_are_left_out_and_free_sizes_are_its_own():
    graph = {"a": GraphTensor("tensor(float)", ["N", 3]), "b": GraphTensor("tensor(float)", ["N", "H", 3])}
    configured = [entry("a", "TYPE_FP32", (-1,)), entry("b", "TYPE_FP32", (-1, 3)), entry("c", "TYPE_FP32", (1,))]
    found = of_version(configured, graph)
    assert [(each["name"], each["dims"]) for each in found] == [("a", [3]), ("b", [-1, 3])]
    assert mismatches(found, graph, batched=True) == []
    assert len(mismatches(of_version([entry("a", "TYPE_FP32", (4,))], graph), graph, batched=True)) == 1
    assert len(mismatches(of_version([entry("a", "TYPE_FP32", (-1, -1))], graph), graph, batched=True)) == 1
    (told,) = mismatches(of_version([entry("c")], graph), graph, batched=True)
    assert told == "c is not in the graph, which has a, b"


def images(count, height=4, fill=0):
    return {"image": np.full((count, height, 4, 3), fill, np.uint8)}


def test_requests_are_grouped_by_everything_but_the_batch_axis():
    requests = [images(1), images(2, height=8), images(3), images(1, height=8)]
    assert group_by_shape(requests, batched=True) == [[0, 2], [1, 3]]


def test_a_second_input_of_another_shape_separates_requests():
    requests = [{**images(1), "scale": np.zeros((1, width))} for width in (1, 2, 1)]
    assert group_by_shape(requests, batched=True) == [[0, 2], [1]]


def test_without_batching_every_request_goes_alone():
    assert group_by_shape([images(1), images(1)], batched=False) == [[0], [1]]


def test_no_requests_make_no_groups():
    assert group_by_shape([], batched=True) == []


def test_a_single_request_that_needs_no_filling_is_not_copied():
    request = images(2)
    assert Buffers(8, filled=False).joined([request])["image"] is request["image"]
    assert Buffers(2, filled=True).joined([request])["image"] is request["image"]


def test_a_request_without_axes_is_passed_on():
    request = {"threshold": np.float32(0.5)}
    assert Buffers(0, filled=False).joined([request]) is request


@pytest.mark.parametrize(("most", "filled"), [(6, False), (6, True), (8, False), (8, True)])
def test_splitting_undoes_joining(most, filled):
    requests = [images(1, fill=1), images(3, fill=2), images(2, fill=3)]
    assert rows(requests) == 6
    size = most if filled else 6
    joint = Buffers(most, filled=filled).joined(requests)
    assert joint["image"].shape == (size, 4, 4, 3)
    assert joint["image"].dtype == np.uint8
    for request, answer in zip(requests, split(joint, [1, 3, 2], size), strict=True):
        np.testing.assert_array_equal(answer["image"], request["image"])
        assert np.shares_memory(answer["image"], joint["image"])


@pytest.mark.parametrize("filled", [False, True])
def test_batches_share_their_memory_as_long_as_their_shape_stays(filled):
    buffers = Buffers(4, filled=filled)
    first = buffers.joined([images(1), images(2, fill=7)])["image"]
    again = buffers.joined([images(1, fill=9), images(1, fill=8)])["image"]
    assert np.shares_memory(again, first)
    assert again[:2, 0, 0, 0].tolist() == [9, 8]
    assert len(again) == (4 if filled else 2)
    assert buffers.joined([images(2, height=8), images(1, height=8)])["image"].shape[1:] == (8, 4, 3)


def test_memory_of_a_kind_is_made_once_and_always_used():
    made = []

    def allocate(shape, dtype):
        made.append(np.zeros(shape, dtype))
        return made[-1]

    buffers = Buffers(2, filled=True, allocate=allocate)
    joint = [buffers.joined([images(2, fill=fill)])["image"] for fill in (1, 2)]
    assert [array is made[0] for array in joint] == [True, True]
    assert len(made) == 1
    np.testing.assert_array_equal(joint[1], images(2, fill=2)["image"])


@pytest.mark.parametrize("shape", [(1,), (7, 2), ()])
def test_an_output_without_the_batch_axis_is_refused(shape):
    with pytest.raises(ValueError, match=r"output total has shape .* for a batch of 4"):
        split({"total": np.zeros(shape)}, [1, 2], 4)


@pytest.mark.parametrize(("largest", "sizes"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (32, [1, 2, 4, 8, 16, 32])])
def test_any_batch_can_be_filled_up_to_one_of_few_sizes(largest, sizes):
    assert filled_sizes(largest) == sizes


@pytest.mark.parametrize("data_type", ONNX_TYPES)
@pytest.mark.parametrize("batched", [True, False])
def test_the_smallest_request_is_zeros_of_the_configured_type(data_type, batched):
    configured = [entry(data_type=data_type, dims=("2", "3")), entry(name="scale", dims=())]
    request = zeros(configured, batched=batched)
    assert request["image"].shape == ((1, 2, 3) if batched else (2, 3))
    assert request["scale"].shape == ((1,) if batched else ())
    session_type = {"float16": "float16", "float32": "float", "float64": "double"}
    name = request["image"].dtype.name
    assert f"tensor({session_type.get(name, name)})" == ONNX_TYPES[data_type]
    assert not request["image"].any()


def test_there_is_no_smallest_request_of_an_unknown_shape():
    assert zeros([entry(dims=("-1", "240", "3"))], batched=True) is None
