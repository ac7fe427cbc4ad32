import pytest

from oncoserve.jobs.intake.submission import clean_name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a.png", "a.png"),
        ("C:\\scans\\a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("a\x00\x1b[31m\u202eb.png", "a[31mb.png"),
        ("é 1.JPG", "é 1.JPG"),
        ("x" * 300, "x" * 200),
        ("", "image"),
        ("folder/", "image"),
    ],
)
def test_of_a_name_the_last_component_is_kept_without_what_cannot_be_seen(sent, kept):
    assert clean_name(sent) == kept
