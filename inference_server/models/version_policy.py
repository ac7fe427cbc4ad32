"""A model's configuration, for some of its versions only."""

from collections.abc import Sequence
from pathlib import Path

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from inference_server.devices.gpu_instances import served_repository
from inference_server.triton_settings import TritonSettings


def only(settings: TritonSettings, model: str, versions: Sequence[int]) -> str:
    """What Triton would read of a model's folder, as JSON, with the versions that it is to serve; empty if unreadable.

    Args:
        settings: Name the configuration.
        model: Its name.
        versions: Its versions that can be loaded.
    """
    folder = served_repository(settings) / model
    chosen = folder / "configs" / f"{settings.model_config_name}.pbtxt"
    path = chosen if settings.model_config_name and chosen.is_file() else Path(folder, "config.pbtxt")
    try:
        config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except (OSError, text_format.ParseError):  # Triton says what is wrong
        return ""
    config.name = model
    config.version_policy.specific.versions[:] = versions
    return str(json_format.MessageToJson(config, preserving_proto_field_name=True))
