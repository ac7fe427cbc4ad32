"""More instances of each model on a GPU than its configuration names: a repository of links around other counts."""

import shutil
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from inference_server.triton_settings import TritonSettings

_GPU = model_config_pb2.ModelInstanceGroup.KIND_GPU


def served_repository(settings: TritonSettings) -> Path:
    """The folder that Triton serves from, absolute: the model repository or, where counts change, one made of links."""
    if settings.device == "gpu" and settings.gpu_instances > 1:
        return settings.home / "models"
    return settings.model_repository.resolve()


def prepare_repository(settings: TritonSettings) -> Path:
    """Make `served_repository` anew, where it is one of links, and return it.

    Triton takes the number of instances from nowhere but a model's configuration, and the repository may be read-only.

    Raises:
        OSError: It cannot be written.
    """
    folder = served_repository(settings)
    source = settings.model_repository.resolve()
    if folder == source:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    for model in (each for each in source.iterdir() if each.is_dir()):
        prepare_model(settings, model.name)
    return folder


def prepare_model(settings: TritonSettings, name: str) -> None:
    """Make one model's folder of links anew, where the repository is one of links.

    Raises:
        OSError: It cannot be written.
    """
    folder, model = served_repository(settings) / name, settings.model_repository.resolve() / name
    if folder == model:
        return
    shutil.rmtree(folder, ignore_errors=True)
    _link_all(model, folder)
    chosen = Path("configs", f"{settings.model_config_name}.pbtxt")
    if (model / chosen).is_file():
        (folder / "configs").unlink()
        _link_all(model / "configs", folder / "configs")
    else:
        chosen = Path("config.pbtxt")
    _set_count(folder / chosen, settings.gpu_instances)


def _link_all(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for each in source.iterdir():
        (target / each.name).symlink_to(each)


def _set_count(link: Path, count: int) -> None:
    """Put a configuration with another number of instances for each GPU in place of the link to it."""
    try:
        config = text_format.Parse(link.read_text(), model_config_pb2.ModelConfig())
    except (OSError, text_format.ParseError):  # Triton says what is wrong
        return
    groups = [group for group in config.instance_group if group.kind == _GPU]
    for group in groups:
        group.count = count
    if groups:
        link.unlink()
        link.write_text(text_format.MessageToString(config))
