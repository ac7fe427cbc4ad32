"""The comparison of `python -m loadtest.half`: the export's gate, on more pictures and on either device."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference_server.backends.onnxruntime import cuda_libraries
from loadtest.turning import pictures as tissue_pictures
from model_export import brain_mri
from model_export.export_errors import CheckError
from model_export.export_files import newest_version
from model_export.exporters import GPU_FILE
from model_export.half.half_gate import compare, rounding_session
from model_export.kept import brain_tumour
from model_export.verify import open_session, run_one_by_one
from testbed.models.tissue_maps import prepare_tissue
from testbed.servers import PROJECT

REPOSITORY: Final = PROJECT / "model_repository"
SAMPLES: Final = PROJECT / "build/samples"

Images = NDArray[np.uint8]
"""(N, H, W, 3) uint8."""


class NoCuda(Exception):
    """The CUDA provider is not there, or its libraries do not load."""


def tissue_tiles(folders: Sequence[Path]) -> Images:
    """Every tile of the H&E pictures that the service would send, (N, 512, 512, 3) uint8; the folders hold none."""
    del folders
    return np.stack(
        [
            tile.pixels
            for _, pixels, um_per_px in tissue_pictures()
            for tile in prepare_tissue(pixels, um_per_px).tiles()
        ]
    )


PICTURES: Final[MappingProxyType[str, Callable[[Sequence[Path]], Images]]] = MappingProxyType(
    {
        "brain_mri": lambda folders: np.concatenate([brain_mri.pictures(folder) for folder in folders]),
        "brain_tumour": lambda folders: np.concatenate([brain_tumour.pictures(folder) for folder in folders]),
        "he_tissue": tissue_tiles,
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.half", description="What FP16 changes in the answers.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"one of: {', '.join(PICTURES)} (default: all)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="what computes the graph for GPUs")
    parser.add_argument("--folder", action="append", default=[], type=Path, help="more labelled pictures, of MRI")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.models) - PICTURES.keys())
    if unknown:
        parser.error(f"unknown model {', '.join(unknown)}; there is: {', '.join(PICTURES)}")
    try:
        held = [hold(name, given.device, given.folder) for name in given.models or PICTURES]
    except NoCuda as error:
        print(error)
        return 2
    return 0 if all(held) else 1


def hold(model: str, device: str, folders: Sequence[Path]) -> bool:
    """Print what FP16 changes in one model's answers, and tell whether its gate holds."""
    version = newest_version(REPOSITORY / model, "model.onnx", GPU_FILE)
    images = PICTURES[model]([SAMPLES / "brain_mri", *folders])
    precision = json.loads((version / "export.json").read_bytes())["files"][GPU_FILE]["precision"]
    session = _on_cuda(version / GPU_FILE) if device == "cuda" else rounding_session((version / GPU_FILE).read_bytes())
    print(f"{model}: {GPU_FILE} holds {precision}, computed on {device}, {len(images)} pictures or tiles")
    exact = run_one_by_one(open_session(version / "model.onnx"), images)
    try:
        checks = compare(exact, run_one_by_one(session, images))
    except CheckError as error:
        print(f"  gate FAILED: {error}")
        return False
    for name, each in checks.items():
        print(f"  {name}: {each['value']:.3g} (limit {each['limit']:g})")
    return True


def _on_cuda(path: Path) -> onnxruntime.InferenceSession:
    """A session on the first GPU; never one that fell back to the CPU.

    Raises:
        NoCuda: CUDA does not compute here.
    """
    if reason := cuda_libraries.problem():
        raise NoCuda(f"--device cuda: {reason}")
    session = onnxruntime.InferenceSession(path, providers=[cuda_libraries.CUDA], enable_fallback=0)
    if session.get_providers()[0] != cuda_libraries.CUDA:
        raise NoCuda("ONNX Runtime would compute on the CPU; its log says why")
    return session
