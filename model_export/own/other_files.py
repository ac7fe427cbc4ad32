"""Files of networks that are no ONNX: what they look like, and how ONNX is made of them."""

import zipfile
from pathlib import Path
from typing import Final

ZIP, HDF5, OLD_PICKLE, TABLE = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x02", b'{"'
TABLE_AT: Final = 8  # in a safetensors file, after the table's length
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


def how_to_export(path: Path) -> str:
    """What a file looks like that is no ONNX, and what to do with it."""
    with path.open("rb") as file:
        head = file.read(TABLE_AT + len(TABLE))
    if head.startswith(ZIP):
        kind = _of_archive(path)
    elif head.startswith(HDF5):
        kind = KERAS
    else:
        kind = PYTORCH if head.startswith(OLD_PICKLE) or head[TABLE_AT:] == TABLE else ""
    return f"it looks like {kind}" if kind else "export the model to ONNX first"


def _of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return ""
    return next((kind for end, kind in OF_MEMBERS if any(name.endswith(end) for name in names)), "")
