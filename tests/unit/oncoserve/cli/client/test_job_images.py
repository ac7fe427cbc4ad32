import pytest

from oncoserve.cli.client.job_images import matched


@pytest.mark.parametrize(
    ("names", "images", "expected"),
    [
        (["a/1", "2"], ["2", "1"], [("2", "2"), ("a/1", "a/1")]),
        (["a/1.png", "b/1.png"], ["1.png", "1.png"], [("a/1.png", "a/1.png"), ("b/1.png", "b/1.png")]),
        (["x/1", "2"], ["1, frame 2", "1, frame 1", "2"],
         [("x/1", "x/1, frame 2"), ("x/1", "x/1, frame 1"), ("2", "2")]),
        (["1, frame 2"], ["1, frame 2"], [("1, frame 2", "1, frame 2")]),
        (["1", "2"], ["1"], None),
        (["1"], ["1", "1"], None),
        (["1"], ["3"], None),
        (["1"], ["3, frame 1"], None),
        (["1"], [""], None),
    ],
)  # fmt: skip
def test_of_which_file_each_image_is(names, images, expected):
    assert matched(names, images) == expected
