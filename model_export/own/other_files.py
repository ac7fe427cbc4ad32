"""Files of networks that are no ONNX: what they look like, and how ONNX is made of them."""

import zipfile
from pathlib import Path
from typing import Final

ZIP: Final = b"PK\x03\x04"
HEAD_BYTES: Final = 16
KERAS: Final = 'a Keras file: export it with model.export("model.onnx", format="onnx") of Keras 3, or tf2onnx'
PYTORCH: Final = (
    "a PyTorch file: load it in Python, weights into their network, and export the network, in eval(), with "
    "torch.onnx.export"
)
TORCHSCRIPT: Final = "TorchScript: export torch.jit.load(it) with torch.onnx.export(..., dynamo=False)"
PROGRAM: Final = "a program of torch.export: export torch.export.load(it) with torch.onnx.export"
OF_MEMBERS: Final = (
    ("/archive_format", PROGRAM),
    ("/constants.pkl", TORCHSCRIPT),
    ("data.pkl", PYTORCH),
    ("model.weights.h5", KERAS),
)
"""By how the name of a file ends that is in a zip archive; the first that fits."""


BEGINNINGS: Final = (
    (0, b"\x89HDF\r\n\x1a\n", KERAS),
    (0, b"\x80\x02", PYTORCH),
    (8, b'{"', f"safetensors, which has weights and no graph, of {PYTORCH}"),
    (4, b"TFL3", "a TensorFlow Lite file: export it with tf2onnx --tflite"),
    (0, b"<", "XML, such as OpenVINO's: export the model to ONNX where it was trained"),
    (0, b"\x89PNG", "a picture: name the model's file"),
    (0, b"\xff\xd8\xff", "a picture: name the model's file"),
)
"""Where in a file, what is there, and what it is then."""


def how_to_export(path: Path) -> str:
    """What a file looks like that is no ONNX, and what to do with it."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(ZIP):
        kind = _of_archive(path)
    else:
        kind = next((kind for place, there, kind in BEGINNINGS if head[place:].startswith(there)), "")
    return f"it looks like {kind}" if kind else "export the model to ONNX first, or copy the file again if it was one"


def _of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return ""
    return next((kind for end, kind in OF_MEMBERS if any(name.endswith(end) for name in names)), "")
