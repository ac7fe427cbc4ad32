import numpy as np
import pytest
from PIL import Image

from training.data import load, rasterised, resized
from training.run_settings import NONE

CORNERS = "0.25,0.25 0.75,0.25 0.75,0.5 0.25,0.5"


def test_an_outline_becomes_its_pixels():
    mask = rasterised(CORNERS, 32)
    assert mask.shape == (32, 32)
    assert mask.mean() / 255 == pytest.approx(0.125, abs=0.02)
    assert mask[10, 12] == 255
    assert mask[20, 12] == mask[10, 4] == 0
    assert 0 < rasterised("0.1,0.1 0.9,0.2 0.5,0.9", 32).sum() < 255 * 32 * 32 / 2
    assert not rasterised("", 32).any()


def test_a_folder_is_read_with_its_patients_and_clusters(tmp_path):
    for name, grey in (("pituitary/10", 10), ("glioma/7", 70), ("notumor/3", 30)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (40, 20), grey).save(tmp_path / f"{name}.jpg")
    rows = ["file\tclass\tpatient\toutline", f"pituitary/10.jpg\tpituitary\tp2\t{CORNERS}"]
    rows += [f"glioma/7.jpg\tglioma\tp1\t{CORNERS}"]
    (tmp_path / "slices.tsv").write_text("\n".join(rows) + "\n")
    alone = load(tmp_path, 16)
    assert alone.groups.tolist() == ["p2", "p1"]
    (tmp_path / "no_tumour_clusters.tsv").write_text("file\tcluster\nnotumor/3.jpg\tc001\n")
    slices = load(tmp_path, 16)
    assert slices.images.mean((1, 2)).round().tolist() == [10, 70, 30]
    assert slices.classes.tolist() == [2, 0, NONE]
    assert slices.groups.tolist() == ["p2", "p1", "c001"]
    assert slices.masks[0].any()
    assert not slices.masks[2].any()
    assert slices.of(["p1", "c001"]).classes.tolist() == [0, NONE]
    small = resized(slices, 8)
    assert small.images.shape == small.masks.shape == (3, 8, 8)
    assert np.allclose(small.masks.mean((1, 2)), slices.masks.mean((1, 2)), atol=2)
