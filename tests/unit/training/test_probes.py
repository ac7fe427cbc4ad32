import sys

import numpy as np
import pytest
from PIL import Image

from training import probes
from training.figures.strangers import halves, load_strangers, picture_files
from training.published import __main__ as published
from training.run_settings import SIDE

IMAGE = np.zeros((SIDE, SIDE), np.uint8)
IMAGE[40:180, 60:160] = 90
IMAGE[100:130, 90:120] = 220
MASK = np.where(IMAGE == 220, 255, 0).astype(np.uint8)


def test_a_painted_tumour_leaves_the_greys_around_it():
    image, mask = probes.painted_away(IMAGE, MASK)
    assert not mask.any()
    assert np.abs(image[100:130, 90:120].astype(int) - 90).max() <= 2
    assert (image[:40] == IMAGE[:40]).all()


def test_frames_move_pictures_and_masks_alike():
    for change in (probes.without_margins, probes.cropped, probes.turned):
        image, mask = change(IMAGE, MASK)
        assert image.shape == mask.shape == IMAGE.shape
        assert not np.array_equal(image, IMAGE)
        assert image[mask > 250].min() > 150
    assert probes.without_margins(IMAGE, MASK)[0][2:-2, 2:-2].min() > 60
    assert probes.darkened(IMAGE, MASK)[0].max() == 36


def test_strangers_come_whole_and_in_quarters(tmp_path):
    Image.effect_noise((600, 500), 80).save(tmp_path / "large.png")
    (tmp_path / "more").mkdir()
    Image.new("RGB", (50, 40), "red").save(tmp_path / "more/small.JPEG")
    (tmp_path / "notes.txt").touch()
    assert picture_files(tmp_path) == [tmp_path / "large.png", tmp_path / "more/small.JPEG"]
    assert probes.folders_of_pictures(tmp_path) == {tmp_path / "more": [tmp_path / "more/small.JPEG"]}
    views, names = load_strangers([tmp_path])
    assert views.shape[1:] == (SIDE, SIDE)
    assert views.dtype == np.uint8
    assert names.count("large.png") == 5
    assert names.count("small.JPEG") == 1
    assert {"black", "white", "text"} <= set(names)
    choosing = halves(names)
    assert 0.3 < choosing.mean() < 0.7
    assert len({bool(chosen) for name, chosen in zip(names, choosing, strict=True) if name == "large.png"}) == 1


ARGUMENTS = {probes: ("--data", ".", "--model", "."), published: ("--data", ".")}


@pytest.mark.parametrize(
    ("command", "option"),
    [(probes, "--strangers"), (probes, "--other"), *((published, f"--{name}") for name in ("strangers", "slices"))],
)
def test_a_folder_without_pictures_is_told_before_the_work_starts(command, option, tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").touch()
    monkeypatch.setattr(sys, "argv", ["command", *ARGUMENTS[command], option, str(tmp_path / "empty")])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert f"{tmp_path}/empty is no folder" in capsys.readouterr().err
