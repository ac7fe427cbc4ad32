"""A result in words."""

import pytest

from oncoserve.results import report as reporting
from oncoserve.results.report import describe
from testbed.fakes import card
from testbed.models.tissue_maps import CARD

MADE = {
    "model": "tiny",
    "version": "1",
    "model_sha256": None,
    "weights": {"package": "tests 1", "sha256": "0" * 64},
    "code_version": "0",
    "input_sha256": "f" * 64,
    "parameters": {"um_per_px": None},
    "created": "2026-11-23T00:00:00+00:00",
}
COMMON = {
    "id": "a" * 32,
    "image": {"width": 3, "height": 2, "format": "PNG"},
    "timings_ms": {"infer": 1.5, "decode": 2.0},
    "provenance": MADE,
}
CLASSIFIED = COMMON | {"label": "class1", "probabilities": {"class0": 0.25, "class1": 0.75, "class2": 0.0}}
AREAS = {"lumen": {"mm2": 0.5, "fraction": 0.25}, "epithelium": {"mm2": 1.5, "fraction": 0.75}}
SEGMENTED = COMMON | {"areas": AREAS, "um_per_px": 0.5, "threshold": 0.5}


def test_a_classification_names_its_label_and_every_probability():
    report = describe(CLASSIFIED, card())
    assert (report.title, report.figure) == ("Class 1", "75.00 %")
    assert [(row.title, row.part, row.numbers, row.strong) for row in report.rows] == [
        ("Class 0", 0.25, ("25.00 %",), False),
        ("Class 1", 0.75, ("75.00 %",), True),
        ("Class 2", 0.0, ("< 0.01 %",), False),
    ]
    assert [row.colour for row in report.rows] == [each.colour for each in card().classes]
    facts = dict(report.facts)
    assert (facts["Result"], facts["Parameters"], facts["Model's SHA-256"]) == ("a" * 32, "none", "unknown")
    assert "in 4 ms" in facts["Computed"]


def test_a_turned_picture_is_said_to_be():
    image = CLASSIFIED["image"] | {"orientation": 6, "turned": True}
    facts = dict(describe(CLASSIFIED | {"image": image}, card()).facts)
    assert facts["Picture"] == "3 x 2 pixels, PNG, turned upright (EXIF orientation 6)"
    assert dict(describe(CLASSIFIED, card()).facts)["Picture"] == "3 x 2 pixels, PNG"


@pytest.mark.parametrize("more", [{}, {"localisation": None}])
def test_without_a_label_there_is_no_answer_and_no_row(more):
    report = describe(CLASSIFIED | {"label": None, "probabilities": None} | more, card())
    assert (report.title, report.figure, report.rows) == ("No answer", "", ())
    assert "warnings say why" in report.description
    assert "Box" not in dict(report.facts)


def test_a_delineation_names_sizes_and_what_is_not_known():
    place = {
        "certainty": 0.9, "peak": {"x": 3, "y": 4}, "box": {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0},
        "area_px": 12, "area_mm2": 3.0, "longest_diameter_px": 5.0, "longest_diameter_mm": 2.5,
    }  # fmt: skip
    named = describe(CLASSIFIED | {"localisation": place}, card())
    assert named.title == "Class 1"
    facts = dict(named.facts)
    assert (facts["Outlined area"], facts["Longest diameter"]) == ("12 pixels, 3 mm²", "5.0 pixels, 2.5 mm")
    unknown = {"area_mm2": None, "longest_diameter_mm": None}
    facts = dict(describe(CLASSIFIED | {"localisation": place | unknown}, card()).facts)
    assert (facts["Outlined area"], facts["Longest diameter"]) == ("12 pixels", "5.0 pixels")
    assert facts["Peak of the mask"] == "3, 4, certainty 0.9"
    assert "Peak of the heatmap" not in facts
    nothing = {"box": None, "area_px": 0, "area_mm2": 0.0, "longest_diameter_px": None, "longest_diameter_mm": None}
    facts = dict(describe(CLASSIFIED | {"localisation": place | nothing}, card()).facts)
    assert facts["Outlined area"] == "0 pixels, 0 mm²"
    assert "Longest diameter" not in facts
    why = {"code": "classes_close", "text": "No class is probable enough.", "value": 0.5, "limit": 0.6}
    close = describe(CLASSIFIED | {"label": None, "undetermined": why}, card())
    assert (close.title, close.description, len(close.rows)) == ("Undetermined", why["text"], 3)
    assert not any(row.strong for row in close.rows)
    silent = describe(CLASSIFIED | {"label": None, "probabilities": None, "undetermined": why}, card())
    assert (silent.title, silent.rows, silent.columns) == ("Undetermined", (), ())
    not_asked = CLASSIFIED | {"label": None, "probabilities": None, "undetermined": why | {"value": None}}
    assert describe(not_asked, card()).title == "No answer"


def test_a_segmentation_names_areas_in_mm2_and_shares():
    report = describe(SEGMENTED, None)
    assert (report.title, report.figure) == ("epithelium", "75.0 % of the whole")
    assert [row.numbers for row in report.rows] == [("0.5 mm²", "25.0 %"), ("1.5 mm²", "75.0 %")]
    assert dict(report.facts)["Resolution"] == "0.5 micrometres per pixel, threshold 0.5"


@pytest.mark.parametrize(
    ("box", "words"),
    [({"x": 10.4, "y": 20.0, "width": 30.6, "height": 40.2}, "31 x 40 pixels at 10, 20"), (None, "none")],
)
def test_a_localisation_says_where(box, words):
    place = {"certainty": 0.91, "peak": {"x": 24.6, "y": 41.0}, "box": box}
    facts = dict(describe(CLASSIFIED | {"localisation": place}, None).facts)
    assert facts["Box"] == words
    assert facts["Peak of the heatmap"] == "25, 41, certainty 0.91"


def test_without_tissue_that_is_what_it_says():
    nothing = {name: {"mm2": 0, "fraction": 0} for name in AREAS}
    assert describe(SEGMENTED | {"areas": nothing}, None).title == "Nothing found"
    assert describe(SEGMENTED | {"areas": {**nothing, "other": nothing["lumen"]}}, CARD).title == "No tissue found"


def test_a_models_own_headline_and_what_its_shares_are_of():
    areas = {"lumen": {"px": 100, "mm2": 0.5, "fraction": 0.25}, "epithelium": {"px": 40, "mm2": 0.2, "fraction": 0.1}}
    areas["other"] = {"px": 260, "mm2": 1.3, "fraction": 0.65}
    report = describe(SEGMENTED | {"areas": areas}, CARD)
    assert (report.title, report.figure) == ("Epithelium", "10.0 % of the tissue")
    assert report.columns == ("Area", "Share of the tissue")


def test_areas_in_pixels_where_nobody_knows_the_resolution():
    areas = {"tumour": {"px": 1234, "mm2": None, "fraction": 0.25}}
    report = describe(SEGMENTED | {"um_per_px": None, "areas": areas}, None)
    assert report.rows[0].numbers == ("1,234 px", "25.0 %")
    assert dict(report.facts)["Resolution"] == "unknown, threshold 0.5"


def test_boxes_are_counted():
    found = {name: SEGMENTED[name] for name in SEGMENTED if name not in {"areas", "um_per_px"}} | {"task": "detection"}
    report = describe(found | {"counts": {"mitosis": 3, "other": 1}, "boxes": []}, None)
    assert (report.title, report.description) == ("4 boxes", "3 mitosis, 1 other")
    assert [row.numbers for row in report.rows] == [("3",), ("1",)]
    assert describe(found | {"counts": {"mitosis": 0}, "boxes": []}, None).title == "Nothing found"


def test_a_model_that_is_gone_leaves_bare_names():
    assert [row.title for row in describe(CLASSIFIED, None).rows] == ["class0", "class1", "class2"]


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [(reporting.percent, 0.99995, "> 99.99 %"), (reporting.percent, 0.00005, "< 0.01 %"),
     (reporting.percent, 0.5, "50.00 %"), (reporting.share, 0, "0 %"), (reporting.share, 1, "100 %"),
     (reporting.share, 0.0004, "< 0.1 %"), (reporting.share, 0.9996, "> 99.9 %"), (reporting.share, 0.5, "50.0 %"),
     (reporting.mm2, 0, "0"), (reporting.mm2, 0.00778123, "0.00778"), (reporting.mm2, 1234.5, "1,230"),
     (reporting.mm2, 10, "10")],
)  # fmt: skip
def test_numbers_read_well(write, value, text):
    assert write(value) == text


@pytest.mark.parametrize(("own", "size"), [({}, "15.3 x 20.1 mm"), ({"mm_per_px": 2.0}, "61.2 x 80.4 mm")])
def test_boxes_are_in_millimetres_where_the_file_or_the_caller_says_the_size_of_a_pixel(own, size):
    box = {"x": 10.4, "y": 20.0, "width": 30.6, "height": 40.2}
    known = {"image": COMMON["image"] | {"mm_per_px": 0.5}, **own}
    place = {"certainty": 0.91, "peak": {"x": 24.6, "y": 41.0}, "box": box}
    facts = dict(describe(CLASSIFIED | known | {"localisation": place}, None).facts)
    assert facts["Box"] == f"31 x 40 pixels ({size}) at 10, 20"
    found = COMMON | known | {"threshold": 0.5, "counts": {"mitosis": 1}, "boxes": [box]}
    assert describe(found, None).description == f"1 mitosis; the largest ({size})"
