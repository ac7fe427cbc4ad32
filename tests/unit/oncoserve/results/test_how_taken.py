"""How a DICOM image was taken, in words."""

import pytest

from oncoserve.results.how_taken import how_taken

SAID = {
    "modality": "MR", "body_part": "HEAD", "plane": "axial", "sequence": "SE", "weighting": "T1", "contrast": True,
    "repetition_ms": 500.0, "echo_ms": 10.5, "inversion_ms": None, "derived": False, "burned_in": "", "frame": 2,
    "frames": 20, "series": "0123456789ab", "position_mm": -12.25, "window": {"kind": "file", "low": 0, "high": 1200},
}  # fmt: skip


def test_what_a_file_says_is_told_and_what_it_does_not_say_is_left_out():
    assert how_taken({"mm_per_px": 0.46875, "dicom": SAID}) == (
        ("Modality", "MR"),
        ("Body part", "head"),
        ("Plane", "axial"),
        ("Sequence", "T1, SE, TR 500 ms, TE 10.5 ms"),
        ("Contrast agent", "named"),
        ("Frame", "2 of 20"),
        ("Position", "-12.25 mm along the slices' normal"),
        ("Pixel size", "0.46875 mm"),
        ("Window", "centre 600, width 1200 (the file's)"),
    )
    assert how_taken({"mm_per_px": None, "dicom": {"modality": "CT"}}) == (
        ("Modality", "CT"),
        ("Pixel size", "unknown"),
    )
    assert how_taken({"width": 3}) == how_taken({"dicom": None}) == ()


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"kind": "table", "low": None, "high": None}, "a table of the file"),
        ({"kind": "whole", "low": None, "high": None}, "none: all 256 levels of the file"),
        ({"kind": "caller", "low": -10.0, "high": 90.0}, "centre 40, width 100 (as asked for)"),
        ({"kind": "robust", "low": 0, "high": 0.001}, "centre 0.0005, width 0.001 (assumed, as the file has none)"),
    ],
)
def test_a_window_is_told_with_who_says_it(window, words):
    assert dict(how_taken({"dicom": SAID | {"window": window}}))["Window"] == words
