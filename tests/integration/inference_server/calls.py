"""Short forms of what tests say to Triton."""

import time

import numpy as np
import tritonclient.grpc as grpcclient
from tritonclient.utils import np_to_triton_dtype


def tensor(name, array):
    """An input as tritonclient wants it."""
    value = grpcclient.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    value.set_data_from_numpy(np.ascontiguousarray(array))
    return value


def probabilities(client, images, model="tiny"):
    """(N, K) float32 for (N, H, W, 3) uint8 images."""
    return client.infer(model, [tensor("image", images)]).as_numpy("probabilities")


def statistics(client, model):
    """(inferences, executions) of a model since it was loaded."""
    stats = client.get_inference_statistics(model).model_stats[0]
    return stats.inference_count, stats.execution_count


def statistics_after(client, model, before, sent):
    """What `sent` inferences and perhaps others added to `before`: Triton counts one after its answer went out."""
    until = time.monotonic() + 10
    while True:
        added = np.subtract(statistics(client, model), before)
        if added[0] >= sent or time.monotonic() > until:
            return added
        time.sleep(0.01)
