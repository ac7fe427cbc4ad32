"""Samples that are a part of what was fetched."""

import dataclasses
import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_export.export_errors import FetchError
from model_export.sample_parts import write_part
from model_export.sources import AtlasSlice, Region


def test_a_region_is_written_with_its_resolution_or_refused(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    (tmp_path / "slide").mkdir()
    Image.fromarray(pixels).save(tmp_path / "slide/a.tif")
    pinned = hashlib.sha256(pixels[10:30, 5:21].tobytes()).hexdigest()
    region = Region("slide/a.tif", "he/a.jpg", left=5, top=10, width=16, height=20, um_per_px=0.499, sha256=pinned)
    write_part(region, tmp_path)
    with Image.open(tmp_path / "he/a.jpg") as written:
        assert (written.format, written.size) == ("JPEG", (16, 20))
        assert 25400 / written.info["dpi"][0] == pytest.approx(0.499, abs=1e-5)
    (tmp_path / "he/a.jpg").unlink()
    with pytest.raises(FetchError, match=f"16 x 20 pixels at 6, 10: expected sha256 {pinned}, got"):
        write_part(dataclasses.replace(region, left=6), tmp_path)
    assert not (tmp_path / "he/a.jpg").exists()


def test_a_slice_of_an_atlas_carries_its_notice_or_is_refused(tmp_path: Path) -> None:
    header = bytearray(352)
    struct.pack_into("<4h", header, 40, 3, 4, 5, 6)
    struct.pack_into("<f", header, 108, 352.0)
    voxels = np.random.default_rng(1).integers(0, 256, (4, 5, 6), np.uint8)
    (tmp_path / "atlas").mkdir()
    (tmp_path / "atlas/a.nii.gz").write_bytes(gzip.compress(bytes(header) + voxels.tobytes(order="F")))
    front_up = voxels[:, ::-1, 2].T
    pinned = hashlib.sha256(front_up.tobytes()).hexdigest()
    part = AtlasSlice("atlas/a.nii.gz", "template/a.png", 2, pinned, "Copyright (C) somebody")
    write_part(part, tmp_path)
    with Image.open(tmp_path / "template/a.png") as written:
        assert (written.format, written.mode) == ("PNG", "L")
        assert (np.asarray(written) == front_up).all()
        assert written.info["Copyright"] == "Copyright (C) somebody"
    (tmp_path / "template/a.png").unlink()
    with pytest.raises(FetchError, match=f"a.nii.gz, slice 3: expected sha256 {pinned}, got"):
        write_part(dataclasses.replace(part, index=3), tmp_path)
    assert not (tmp_path / "template/a.png").exists()
