"""Whether a picture gets the answer of its plain 8-bit sRGB file when it is sent in another form.

Asks the exported graphs directly, without servers: `make samples` and `make models` first. The table in
docs/pictures.md is what this prints.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image, ImageCms

from loadtest.shared.slide_pictures import UM_PER_PX, slide_pixels
from model_export.export_files import newest_version
from oncoserve.pictures.decode import decode
from oncoserve.pictures.resize import resize
from testbed.encoded_pictures import encoded
from testbed.models.tissue_maps import EPITHELIUM, LUMEN, RULE, blender_of, prepare_tissue
from testbed.picture_files.icc_profiles import (
    ADOBE_XY,
    D50_XY,
    P3_XY,
    PROPHOTO_XY,
    gamma_curve,
    rgb_profile,
    srgb_curve,
)
from testbed.picture_files.raw_png import raw_png
from testbed.servers import PROJECT
from training.figures.graph_answers import dice_of

SAMPLES: Final = PROJECT / "build/samples"
MODELS: Final = PROJECT / "model_repository"
LIMIT, THRESHOLD, THREADS = 10**8, 0.5, 2
BRAINS: Final = {"brain_mri": 240, "brain_tumour": 224}
"""Side of the pictures that each model takes."""
FULL, GLANDS = 65535, (LUMEN, EPITHELIUM)
PROFILES: Final = {
    "Display P3": rgb_profile(P3_XY, srgb_curve(), "Display P3"),
    "Adobe RGB": rgb_profile(ADOBE_XY, gamma_curve(2.2), "Adobe RGB (1998)"),
    "ProPhoto RGB": rgb_profile(PROPHOTO_XY, gamma_curve(1.8), "ProPhoto RGB", white=D50_XY),
}
Ask = Callable[[NDArray[np.uint8]], int]


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.pictures", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SAMPLES / "brain_mri", help="slices, a folder a class")
    given = parser.parse_args()
    slices = []
    for path in sorted(given.folder.glob("*/*.jpg")):
        with Image.open(path) as image:
            slices.append(np.asarray(image.convert("L")))
    for name, side in BRAINS.items():
        compare_depths(name, slices, _classifier(name, side))
    compare_colours(slide_pixels())
    return 0


def compare_depths(name: str, slices: Sequence[NDArray[np.uint8]], ask: Ask) -> None:
    """Print how many slices get the label of their 8-bit file.

    Args:
        name: Of the model.
        slices: (h, w) uint8 each.
        ask: Gives the index of the label.
    """
    labels = [ask(np.dstack([each] * 3)) for each in slices]
    forms = {
        f"{kind}, {low}-{low + top}": (channels, low, top)
        for kind, channels, low, top in (
            ("grey", 1, 0, FULL),
            ("grey", 1, 0, 4095),
            ("grey", 1, 0, 1500),
            ("grey", 1, 0, 800),
            ("grey", 1, 1000, 1500),
            ("grey and alpha", 2, 0, 1500),
            ("RGB", 3, 0, 1500),
        )
    }
    for form, (channels, low, top) in forms.items():
        before, after = 0, 0
        for each, expected in zip(slices, labels, strict=True):
            samples = np.rint(each * (top / 255)).astype(np.uint16) + np.uint16(low)
            before += ask(np.dstack([np.rint(samples / 257).astype(np.uint8)] * 3)) == expected
            layers = {1: [samples], 2: [samples, np.full_like(samples, FULL)], 3: [samples] * 3}[channels]
            after += ask(decode(raw_png(np.dstack(layers)), LIMIT, "#000000").pixels) == expected
        print(f"{name}: {form}: {before} of {len(slices)} by the full range, {after} as it is read", flush=True)


def compare_colours(pixels: NDArray[np.uint8]) -> None:
    """Print the Dice of glands (lumen and epithelium) against the same picture in 8-bit sRGB.

    Args:
        pixels: (H, W, 3) uint8 RGB of stained tissue.
    """
    segment = _segmenter()
    expected = segment(pixels)
    picture = Image.fromarray(pixels)
    for name, profile in PROFILES.items():
        target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        sent = ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), target, intent)
        read = decode(encoded(cast("Image.Image", sent), icc_profile=profile), LIMIT, "#ffffff").pixels
        before, after = (dice(expected, segment(each)) for each in (np.asarray(sent), read))
        print(f"he_tissue: {name}: {before:.3f} without the profile, {after:.3f} as it is read", flush=True)
    for top in (FULL, 4095, 1500):
        samples = np.rint(pixels * (top / 255)).astype(np.uint16)
        full = np.rint(samples / 257).astype(np.uint8)
        read = decode(raw_png(samples), LIMIT, "#ffffff").pixels
        before, after = (dice(expected, segment(each)) for each in (full, read))
        print(f"he_tissue: RGB, 0-{top}: {before:.3f} by the full range, {after:.3f} as it is read", flush=True)


def dice(labels: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """Of lumen and epithelium together."""
    return dice_of(np.isin(labels, GLANDS), np.isin(others, GLANDS))


def _session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    version = newest_version(MODELS / name, "model.onnx")
    files = [version / each for each in ("model.cpu.onnx", "model.onnx")]
    found = next(each for each in files if each.exists())
    return onnxruntime.InferenceSession(found, options, providers=["CPUExecutionProvider"])


def _classifier(name: str, side: int) -> Ask:
    session = _session(name)

    def ask(pixels: NDArray[np.uint8]) -> int:
        tensor = resize(Image.fromarray(pixels), side, side, "bicubic")
        return int(session.run(["probabilities"], {"image": tensor[np.newaxis]})[0].argmax())

    return ask


def _segmenter() -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    session = _session("he_tissue")

    def segment(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        prepared = prepare_tissue(pixels, UM_PER_PX)
        blender = blender_of(prepared.grid)
        for place, tile in zip(prepared.positions, prepared.tiles(), strict=True):
            blender.add(*place, session.run(["probabilities"], {"stains": tile.pixels[np.newaxis]})[0][0])
        return prepared.maps(blender).labels(RULE, THRESHOLD).painted()

    return segment
