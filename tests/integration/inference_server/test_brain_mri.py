"""The shipped classifier through the real Triton equals bare ONNX Runtime."""

import numpy as np
import onnxruntime
import tritonclient.grpc as grpcclient

from tests.integration.inference_server.calls import tensor
from tests.tiny_models import random_images


def test_outputs_equal_bare_onnx_runtime(triton, model_repository):
    images = random_images(2, size=240)
    session = onnxruntime.InferenceSession(
        model_repository / "brain_mri/1/model.onnx", providers=["CPUExecutionProvider"]
    )
    names = ["probabilities", "saliency"]
    expected = dict(zip(names, session.run(names, {"image": images}), strict=True))
    with grpcclient.InferenceServerClient(triton.grpc_url) as client:
        answer = client.infer("brain_mri", [tensor("image", images)])
    for name, values in expected.items():
        np.testing.assert_allclose(answer.as_numpy(name), values, atol=1e-5, err_msg=name)


def test_is_warm_before_it_is_ready(triton):
    with grpcclient.InferenceServerClient(triton.grpc_url) as client:
        config = client.get_model_config("brain_mri").config
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, config.max_batch_size]
    assert not config.dynamic_batching.HasField("default_queue_policy")
    assert config.dynamic_batching.priority_levels == 0
