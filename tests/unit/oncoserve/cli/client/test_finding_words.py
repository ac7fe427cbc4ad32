"""What a job came to, in words."""

import pytest

from oncoserve.cli.client.finding_words import of_image, of_job

FOUND = {"task": "classification", "label": "glioma", "probability": 0.98765, "undetermined": None, "warnings": []}
UNNAMED = {**FOUND, "label": None, "probability": None, "undetermined": "small", "warnings": ["small"]}
AREAS = {"lumen": {"mm2": 0.1234, "fraction": 0.25}, "epithelium": {"mm2": 12, "fraction": 0.75}}


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (None, ""),
        (FOUND, "glioma 0.988"),
        ({**FOUND, "probability": None}, "glioma"),
        (
            {**FOUND, "area_mm2": 123.456, "warnings": ["several_regions"]},
            "glioma 0.988, 123 mm2, warning several_regions",
        ),
        ({**FOUND, "area_mm2": None}, "glioma 0.988"),
        (UNNAMED, "undetermined (small), warning small"),
        (
            {"task": "segmentation", "areas": AREAS, "warnings": []},
            "lumen 0.123 mm2 (25.0%), epithelium 12 mm2 (75.0%)",
        ),
        ({"task": "segmentation", "areas": None, "warnings": []}, "no areas"),
        ({"task": "counting", "count": 7, "warnings": ["few"]}, "counting, warning few"),
    ],
)
def test_one_picture(finding, words):
    assert of_image(finding) == words


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (None, ""),
        ({"labels": {}, "undetermined": {}, "warned": 0, "image": None}, ""),
        ({"labels": {"glioma": 1}, "undetermined": {}, "warned": 0, "image": FOUND}, "glioma 0.988"),
        ({"labels": {"b": 3, "a": 1}, "undetermined": {"unlike_training": 2}, "warned": 0, "image": None},
         "3 b, 1 a, 2 undetermined (unlike_training)"),
        ({"labels": {"a": 9, "b": 8, "c": 7, "d": 6}, "undetermined": {"small": 2}, "warned": 2, "image": None},
         "9 a, 8 b, 7 c, 8 others, 2 with warnings"),
    ],
)  # fmt: skip
def test_a_job(finding, words):
    assert of_job({"finding": finding}) == words


def test_an_older_service_says_nothing():
    assert of_job({"id": "x"}) == ""
