"""The shipped classifier through the real Triton equals bare ONNX Runtime."""

import json

import numpy as np
import onnxruntime
import tritonclient.grpc as grpcclient

from testbed.tiny_models import random_images
from tests.integration.inference_server.calls import tensor


def test_outputs_equal_bare_onnx_runtime(triton, model_repository):
    images = random_images(2, size=240)
    session = onnxruntime.InferenceSession(
        model_repository / "brain_mri/1/model.cpu.onnx", providers=["CPUExecutionProvider"]
    )
    names = ["probabilities", "saliency", "strangeness"]
    expected = dict(zip(names, session.run(names, {"image": images}), strict=True))
    with grpcclient.InferenceServerClient(triton.grpc_url) as client:
        answer = client.infer("brain_mri", [tensor("image", images)])
    for name, values in expected.items():
        np.testing.assert_allclose(answer.as_numpy(name), values, atol=1e-5, err_msg=name)


def test_one_repository_serves_int8_on_a_cpu_and_fp16_with_the_gpu_configuration(triton, model_repository):
    with grpcclient.InferenceServerClient(triton.grpc_url) as client:
        assert client.get_model_config("brain_mri").config.default_model_filename == "model.cpu.onnx"
    files = json.loads((model_repository / "brain_mri/1/export.json").read_bytes())["files"]
    assert {name: file["precision"] for name, file in files.items()} == {
        "model.onnx": "FP32",
        "model.cpu.onnx": "INT8",
        "model.gpu.onnx": "FP16",
    }
    assert '"model.gpu.onnx"' in (model_repository / "brain_mri/configs/gpu.pbtxt").read_text()


def test_is_warm_before_it_is_ready(triton):
    with grpcclient.InferenceServerClient(triton.grpc_url) as client:
        config = client.get_model_config("brain_mri").config
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, config.max_batch_size]
    assert not config.dynamic_batching.HasField("default_queue_policy")
    assert config.dynamic_batching.priority_levels == 0
