"""Descriptions that others publish beside their models."""

import json

import pytest

from model_export.own.own_errors import OwnModelError
from model_export.own.published import read_published
from model_export.own.wanted import Wanted

WSINFER = {
    "spec_version": "1.0",
    "architecture": "resnet34",
    "num_classes": 2,
    "class_names": ["Other", "Tumor cells"],
    "name": "Somebody's tumour patches",
    "patch_size_pixels": 350,
    "spacing_um_px": 0.25,
    "transform": [
        {"name": "Resize", "arguments": {"size": 224}},
        {"name": "ToTensor"},
        {"name": "Normalize", "arguments": {"mean": [0.7, 0.6, 0.7], "std": [0.1, 0.2, 0.3]}},
    ],
}
MONAI = {
    "name": "Endoscopic tools",
    "intended_use": "An example",
    "network_data_format": {
        "inputs": {
            "image": {"num_channels": 3, "spatial_shape": [736, 480], "value_range": [0, 1], "dtype": "float32"}
        },
        "outputs": {
            "pred": {"format": "segmentation", "channel_def": {"0": "background", "1": "tools"}, "num_channels": 2}
        },
    },
}


def changed(description, **inputs):
    found = json.loads(json.dumps(description))
    found["network_data_format"]["inputs"]["image"] |= inputs
    return found


def read(folder, way, description, name=None):
    path = folder / (name or {"wsinfer": "config.json", "monai": "metadata.json"}[way])
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(description))
    return read_published(way, folder / "model.onnx", None)


def test_wsinfer(tmp_path):
    said = read(tmp_path, "wsinfer", WSINFER)
    wanted = Wanted.of({"name": "theirs", **said})
    assert (wanted.task, wanted.names, wanted.width, wanted.height) == (
        "classification",
        ("Other", "Tumor_cells"),
        224,
        224,
    )
    assert (wanted.mean, wanted.std, wanted.scale) == ([0.7, 0.6, 0.7], [0.1, 0.2, 0.3], pytest.approx(1 / 255))
    assert wanted.modality == "Patches of 350 x 350 pixels at 0.25 micrometres per pixel"


@pytest.mark.parametrize("name", ["metadata.json", "configs/metadata.json"])
def test_monai(tmp_path, name):
    said = read(tmp_path, "monai", MONAI, name)
    wanted = Wanted.of({"name": "theirs", **said})
    assert (wanted.task, wanted.channels, wanted.height, wanted.width) == ("segmentation", (None, "tools"), 736, 480)
    assert (wanted.scale, wanted.title, wanted.intended_use) == (
        pytest.approx(1 / 255),
        "Endoscopic tools",
        "An example",
    )


def test_monai_of_another_range_of_values(tmp_path):
    said = read(tmp_path, "monai", changed(MONAI, value_range=[-1, 1]))
    assert (said["scale"], said["mean"]) == (pytest.approx(2 / 255), [1])
    assert read(tmp_path, "monai", changed(MONAI, value_range=[0, 255]))["scale"] == 1


@pytest.mark.parametrize(
    ("way", "description", "words"),
    [
        ("monai", changed(MONAI, spatial_shape=[96, 96, 96]), "takes 3D volumes"),
        ("monai", changed(MONAI, num_channels=4), "takes 4 channels; pictures have 3"),
        ("monai", {"name": "x"}, "is not as monai has it: KeyError 'network_data_format'"),
        ("wsinfer", WSINFER | {"transform": [{"name": "Macenko"}]}, "Macenko of WSInfer is not known"),
        ("wsinfer", {k: v for k, v in WSINFER.items() if k != "class_names"}, "KeyError 'class_names'"),
        ("wsinfer", [1], "expected an object"),
    ],
)
def test_what_cannot_be_served_is_told(tmp_path, way, description, words):
    with pytest.raises(OwnModelError, match=words):
        read(tmp_path, way, description)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OwnModelError, match="name it with --config"):
        read_published("wsinfer", tmp_path / "model.onnx", None)
