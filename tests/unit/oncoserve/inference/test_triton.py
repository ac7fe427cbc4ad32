"""Reading what Triton says of a model."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from oncoserve.inference.triton import read_configuration
from testbed.servers import PROJECT


@pytest.mark.parametrize(("model", "differ"), [("brain_tumour", True), ("brain_mri", False)])
def test_a_configuration_says_whether_its_outputs_are_those_of_all_versions(model, differ):
    written = text_format.Parse((PROJECT / "model_repository" / model / "config.pbtxt").read_text(), ModelConfig())
    assert read_configuration(written, "1").versions_differ is differ
