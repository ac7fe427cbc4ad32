import numpy as np
from PIL import Image

from training.data import blocks, load, split

CLASSES = np.repeat([0, 1, 2, 3], [40, 20, 60, 33])


def test_each_class_is_split_by_blocks_of_numbers_in_order():
    parts = split(CLASSES)
    assert sorted(np.concatenate(parts)) == list(range(len(CLASSES)))
    for index in range(4):
        train, validation, test = (part[CLASSES[part] == index] for part in parts)
        assert max(train) < min(validation) <= max(validation) < min(test)
        assert abs(len(train) / np.bincount(CLASSES)[index] - 0.7) < 0.03


def test_blocks_hold_neighbours_of_one_class():
    runs = blocks(CLASSES, 15)
    assert sorted(np.concatenate(runs)) == list(range(len(CLASSES)))
    for run in runs:
        assert len(set(CLASSES[run])) == 1
        assert (np.diff(run) == 1).all()


def test_a_folder_is_read_in_the_order_of_classes_and_numbers(tmp_path):
    for name, grey in (("pituitary/10", 10), ("pituitary/9", 90), ("glioma/7", 70), ("notumor/3", 30)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (40, 20), grey).save(tmp_path / f"{name}.jpg")
    rows = ["file\tclass\tcentre_x\tcentre_y\twidth\theight", "pituitary/10.jpg\tpituitary\t0.5\t0.4\t0.2\t0.4"]
    rows += ["pituitary/9.jpg\tpituitary\t0.5\t0.5\t0.1\t0.1", "notumor/3.jpg\tnotumor\t\t\t\t"]
    rows += ["glioma/7.jpg\tglioma\t0.2\t0.2\t0.1\t0.1"]
    (tmp_path / "boxes.tsv").write_text("\n".join(rows) + "\n")
    slices = load(tmp_path, 16)
    assert slices.images.shape == (4, 16, 16)
    assert slices.images.mean((1, 2)).round().tolist() == [70, 30, 90, 10]
    assert slices.classes.tolist() == [0, 2, 3, 3]
    assert slices.numbers.tolist() == [7, 3, 9, 10]
    assert np.allclose(slices.boxes[3], (0.4, 0.2, 0.6, 0.6))
    assert not slices.boxes[1].any()
