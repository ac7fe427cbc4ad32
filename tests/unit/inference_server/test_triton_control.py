import numpy as np
import pytest
from tritonclient.grpc import model_config_pb2

from inference_server.triton_control import _canary

SIZES = {
    "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
    "FP16": 2, "FP32": 4, "FP64": 8, "STRING": 4,
}  # fmt: skip


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("max_batch_size", [0, 8])
def test_a_canary_fits_inputs_of_every_type(kind, max_batch_size):
    config = model_config_pb2.ModelConfig(max_batch_size=max_batch_size)
    config.input.add(name="input", data_type=getattr(model_config_pb2, f"TYPE_{kind}"), dims=[2, -1, 3])
    request = _canary("model", config)
    assert list(request.inputs[0].shape) == ([1] if max_batch_size else []) + [2, 1, 3]
    assert len(request.raw_input_contents[0]) == SIZES[kind] * np.prod([2, 1, 3])
