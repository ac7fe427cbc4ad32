import pytest

from loadtest.localisation.pointing import Box, Slice, SliceAnswer, figures, read_slices


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        (Box(0.0, 0.0, 0.4, 0.2), 1.0),
        (Box(0.2, 0.0, 0.6, 0.2), 1 / 3),
        (Box(0.0, 0.1, 0.4, 0.3), 1 / 3),
        (Box(0.5, 0.0, 0.9, 0.2), 0.0),
        (Box(0.4, 0.2, 0.0, 0.0), 0.0),
    ],
)
def test_iou(other, iou):
    assert Box(0.0, 0.0, 0.4, 0.2).iou(other) == pytest.approx(iou)


def test_rows_are_read_as_corners(tmp_path):
    (tmp_path / "boxes.tsv").write_text(
        "file\tclass\tcentre_x\tcentre_y\twidth\theight\nglioma/1.jpg\tglioma\t0.5\t0.4\t0.2\t0.1\nn/2.jpg\tnotumor\t\t\t\t\n"
    )
    first, second = read_slices(tmp_path)
    assert (first.path, first.label) == (tmp_path / "glioma/1.jpg", "glioma")
    assert (first.box.left, first.box.top, first.box.right, first.box.bottom) == pytest.approx((0.4, 0.35, 0.6, 0.45))
    assert second.box is None


def test_no_answer_points_outside_of_the_picture():
    document = {"label": None, "image": {"width": 200, "height": 100}, "localisation": None}
    answer = SliceAnswer.from_document(document)
    assert (answer.label, answer.box, Box(0, 0, 1, 1).holds(*answer.peak)) == (None, None, False)


def test_answers_are_in_fractions():
    document = {
        "label": "glioma",
        "image": {"width": 200, "height": 100},
        "localisation": {
            "certainty": 1, "peak": {"x": 50, "y": 50}, "box": {"x": 20, "y": 10, "width": 40, "height": 20}
        },
    }  # fmt: skip
    answer = SliceAnswer.from_document(document)
    assert answer.peak == (0.25, 0.5)
    assert (answer.box.left, answer.box.top, answer.box.right, answer.box.bottom) == pytest.approx((0.1, 0.1, 0.3, 0.3))


def test_figures():
    box, path = Box(0.2, 0.2, 0.4, 0.4), None
    slices = [Slice(path, "glioma", box)] * 4 + [Slice(path, "notumor", None)] * 2
    inside, outside = (0.3, 0.3), (0.5, 0.3)
    answers = [
        SliceAnswer("glioma", inside, box),
        SliceAnswer("notumor", inside, None),
        SliceAnswer("glioma", outside, Box(0.3, 0.2, 0.5, 0.4)),
        SliceAnswer("glioma", inside, box),
        SliceAnswer("notumor", inside, None),
        SliceAnswer("pituitary", inside, box),
    ]
    found = figures(slices, answers)
    assert list(found.values()) == pytest.approx([0.75, 0.75, (1 + 0 + 1 / 3 + 1) / 4, 0.25, 0.5])
