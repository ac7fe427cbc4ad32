"""config.pbtxt and configs/gpu.pbtxt of the shipped models say the same where they must."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from model_export.exporters import GPU_FILE
from testbed.servers import PROJECT

DIFFER = "oncoserve_versions_differ"


def read(path):
    return text_format.Parse(path.read_text(), pb.ModelConfig())


CONFIGURATIONS = sorted(PROJECT.glob("model_repository/*/config.pbtxt"))
GPU = sorted(PROJECT.glob("model_repository/*/configs/gpu.pbtxt"))


@pytest.mark.parametrize("path", [*CONFIGURATIONS, *GPU], ids=lambda path: str(path.relative_to(PROJECT)))
def test_batching_is_plain_and_one_instance_is_made(path):
    config = read(path)
    assert config.backend == "onnxruntime"
    assert config.HasField("dynamic_batching")
    assert config.dynamic_batching == pb.ModelDynamicBatching()
    assert [group.count for group in config.instance_group] == [1]


@pytest.mark.parametrize("path", GPU, ids=lambda path: path.parts[-3])
def test_the_gpu_configuration_serves_the_same_tensors(path):
    cpu, gpu = read(path.parents[1] / "config.pbtxt"), read(path)
    assert list(gpu.input) == list(cpu.input)
    assert list(gpu.output) == list(cpu.output)
    assert (DIFFER in gpu.parameters) is (DIFFER in cpu.parameters)
    assert gpu.instance_group[0].kind == pb.ModelInstanceGroup.KIND_GPU
    assert cpu.instance_group[0].kind == pb.ModelInstanceGroup.KIND_CPU


@pytest.mark.parametrize("path", GPU, ids=lambda path: path.parts[-3])
def test_a_gpu_has_its_graph_and_no_warm_up_by_hand(path):
    config = read(path)
    assert config.default_model_filename == GPU_FILE
    assert config.max_batch_size >= 8
    assert len(config.model_warmup) == 0, "the backend runs each of its sizes once"


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.parts[-2])
def test_the_smallest_and_the_largest_batch_are_warm_on_a_cpu(path):
    config = read(path)
    assert [warmup.batch_size for warmup in config.model_warmup] == sorted({1, config.max_batch_size})
