"""Requests that no caller of ours sends, straight to Triton: each is refused, and nothing dies of it."""

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from testbed import tiny_models
from tests.integration.inference_server.calls import probabilities, tensor

IMAGES = tiny_models.random_images(2)
WRAPPED = 2**32 + 2  # of the batch, Triton 2.51 keeps the lowest 32 bits


@pytest.mark.parametrize(
    "shape",
    [
        (-1, 16, 16, 3),
        (2, -16, -16, 3),
        (-2, -16, 16, 3),
        (0, 16, 16, 3),
        (9, 16, 16, 3),
        (2, 16, 16, 3, 1),
        (2,),
        (),
        (2**62, 16, 16, 3),
        (2**63 - 1, 16, 16, 3),
        (-(2**63), 16, 16, 3),
        (2, 2**32, 2**32, 3),
    ],
)
@pytest.mark.parametrize("data", [IMAGES, IMAGES[:0]], ids=["data", "no_data"])
def test_a_shape_that_is_not_the_models_is_refused(client, family, shape, data):
    image = tensor("image", data)
    image.set_shape(shape)
    with pytest.raises(InferenceServerException, match=r"shape|batch|byte size|dimension") as refused:
        client.infer("tiny", [image])
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert_unharmed(client, family)


def test_a_batch_that_wraps_around_reads_what_was_sent_and_no_more(client, family):
    image = tensor("image", IMAGES)
    image.set_shape((WRAPPED, 16, 16, 3))
    answer = client.infer("tiny", [image]).as_numpy("probabilities")
    np.testing.assert_allclose(answer, tiny_models.expected_probabilities(IMAGES), atol=1e-5)
    assert_unharmed(client, family)


@pytest.mark.parametrize("change", [-1, 1], ids=["short", "long"])
def test_data_of_another_length_is_refused(client, family, change):
    size = IMAGES.size + change
    image = tensor("image", np.zeros((1, 1, size, 1), np.uint8))
    image.set_shape(IMAGES.shape)
    with pytest.raises(InferenceServerException, match="byte size") as refused:
        client.infer("tiny", [image])
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert_unharmed(client, family)


def test_a_request_names_no_memory_that_was_not_registered(client, family):
    image = grpcclient.InferInput("image", list(IMAGES.shape), "UINT8")
    image.set_shared_memory("oncoserve", IMAGES.nbytes)
    with pytest.raises(InferenceServerException, match="Unable to find shared memory region"):
        client.infer("tiny", [image])
    assert_unharmed(client, family)


@pytest.fixture
def family(tiny_triton):
    """Triton and its backend processes, as they were before the attack."""
    return tiny_triton.family()


def assert_unharmed(client, family):
    np.testing.assert_allclose(probabilities(client, IMAGES), tiny_models.expected_probabilities(IMAGES), atol=1e-5)
    assert [process.pid for process in family if not process.is_running()] == []
