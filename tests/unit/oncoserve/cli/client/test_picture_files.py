import pytest

from oncoserve.cli.client.picture_files import PictureFile, sent_name


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("a/b/c d.png", "c d.png"),
        ('a"b.png', "a_b.png"),
        ("a\\b.png", "a_b.png"),
        ("a\r\nb.png", "a__b.png"),
        ("\udcffa.png", "?a.png"),
        ("ä.png", "ä.png"),
        ("x" * 250 + ".png", "x" * 196 + ".png"),
    ],
)
def test_names_are_sent_so_that_nobody_changes_them_on_the_way(name, sent):
    assert sent_name(name) == sent


def test_what_is_no_file_is_not_waited_for(tmp_path):
    with pytest.raises(OSError, match="not a regular file"):
        PictureFile("pipe.png", tmp_path, 0).read()


def test_the_type_is_by_name(tmp_path):
    (tmp_path / "a.JPG").write_bytes(b"x")
    assert PictureFile("a.JPG", tmp_path / "a.JPG", 1).read().media_type == "image/jpeg"
