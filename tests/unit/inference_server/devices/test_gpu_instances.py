import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from inference_server.devices.gpu_instances import prepare_repository, served_repository
from inference_server.triton_settings import TritonSettings
from testbed.tiny_models import write_classifier

GPU_FILE = "configs/gpu.pbtxt"


@pytest.fixture
def repository(tmp_path):
    """A model with a configuration for the GPU, and one without."""
    repository = tmp_path / "models"
    both = write_classifier(repository, "both")
    (both / "configs").mkdir()
    (both / GPU_FILE).write_text((both / "config.pbtxt").read_text().replace("KIND_CPU", "KIND_GPU"))
    (both / "configs/other.pbtxt").write_text("other")
    write_classifier(repository, "cpu_only")
    (repository / "README").write_text("no model")
    return repository


def settings(repository, **others):
    given = {"device": "gpu", "model_config_name": "gpu", "gpu_instances": 3} | others
    return TritonSettings(model_repository=repository, work_directory=repository.parent / "work", **given)


def instances(path):
    groups = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig()).instance_group
    return [(group.count, model_config_pb2.ModelInstanceGroup.Kind.Name(group.kind)) for group in groups]


@pytest.mark.parametrize("others", [{"gpu_instances": 1}, {"device": "cpu"}])
def test_without_other_counts_the_repository_itself_is_served(repository, others):
    assert prepare_repository(settings(repository, **others)) == repository
    assert not (repository.parent / "work").exists()


def test_only_the_count_of_gpu_instances_is_another(repository):
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    for _ in range(2):  # at each start of Triton
        served = prepare_repository(settings(repository))
    assert served == served_repository(settings(repository)) == repository.parent / "work/8001/models"
    assert instances(served / "both" / GPU_FILE) == [(3, "KIND_GPU")]
    assert instances(served / "both/config.pbtxt") == [(1, "KIND_CPU")]
    assert instances(served / "cpu_only/config.pbtxt") == [(1, "KIND_CPU")]
    changed = text_format.Parse((served / "both" / GPU_FILE).read_text(), model_config_pb2.ModelConfig())
    changed.instance_group[0].count = 1
    assert changed == text_format.Parse((repository / "both" / GPU_FILE).read_text(), model_config_pb2.ModelConfig())
    for path, content in before.items():
        assert path.read_bytes() == content
        if path.parent != repository and path.name != "gpu.pbtxt":
            assert (served / path.relative_to(repository)).read_bytes() == content


def test_a_configuration_that_cannot_be_read_is_left_to_triton(repository):
    (repository / "both" / GPU_FILE).write_text("instance_group [ what")
    served = prepare_repository(settings(repository))
    assert (served / "both" / GPU_FILE).read_text() == "instance_group [ what"
