"""Results as structured reports: their numbers, as another program reads them."""

import io

import highdicom
import numpy as np
import pydicom
import pytest

from tests.unit.oncoserve.results.evidence.dicom_sources import (
    KINDS,
    SHA256,
    classified,
    delineated,
    detected,
    image_file,
    localised,
    output,
    segmented,
    stored_of,
    undetermined,
)

MR = "MR_small.dcm"


def report(kind, name=MR, **options):
    found = stored_of(image_file(name).read_bytes(), kind, **options)
    return highdicom.sr.srread(io.BytesIO(output(*found, "sr.dcm")))


def groups(found):
    """By tracking identifier: finding, numbers by concept, codes of evaluations, comments."""
    return {each.tracking_identifier: each for each in _all(found)}


def _all(found):
    yield from found.content.get_image_measurement_groups()
    yield from found.content.get_planar_roi_measurement_groups()


def numbers(group):
    return {each.name.meaning: (float(each.value), each.unit.value) for each in group.get_measurements()}


def comments(found):
    (first,) = [each for each in found.content.get_image_measurement_groups() if each.tracking_identifier == "picture"]
    return [
        item.TextValue
        for item in first[0].ContentSequence
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == "121106"
    ]


def test_classes_with_their_probabilities():
    found = groups(report(classified))
    assert numbers(found["class class0"]) == {"Probability": (0.7, "1")}
    assert numbers(found["class class2"]) == {"Probability": (0.1, "1")}
    (evaluation,) = found["picture"].get_qualitative_evaluations()
    assert (evaluation.name.meaning, evaluation.value.value) == ("Impression", "class0")


def test_what_is_not_determined_says_so():
    found = report(undetermined)
    (evaluation,) = groups(found)["picture"].get_qualitative_evaluations()
    assert evaluation.value.value == "82334004"  # SNOMED CT: indeterminate
    assert any("No class is probable enough" in each for each in comments(found))
    assert "Undetermined" in comments(found)


@pytest.mark.parametrize(("mm_per_px", "unit", "scale"), [(None, "{pixels}", 1), (0.5, "mm2", 0.25)])
def test_regions_with_their_areas(mm_per_px, unit, scale):
    task, stored = stored_of(image_file(MR).read_bytes(), delineated, mm_per_px=mm_per_px)
    place = stored.document["localisation"]
    found = groups(highdicom.sr.srread(io.BytesIO(output(task, stored, "sr.dcm"))))
    assert numbers(found["outline"])["Area"] == (pytest.approx(place["area_px"] * scale), unit)
    regions = [each for name, each in found.items() if name.startswith("region")]
    assert len(regions) == len(place["outline"]) == 2
    assert sum(numbers(each)["Area"][0] for each in regions) == pytest.approx(place["area_px"] * scale)
    longest = numbers(regions[0])["Long axis"]
    assert longest[0] == pytest.approx(place["longest_diameter_px"] * (scale**0.5), abs=0.01)
    ring = regions[0].roi.value
    assert ring.tolist() in [rings[0] for rings in place["outline"]]
    assert np.array_equal(ring[0], ring[-1])


def test_areas_of_each_class():
    task, stored = stored_of(image_file(MR).read_bytes(), segmented)
    found = groups(highdicom.sr.srread(io.BytesIO(output(task, stored, "sr.dcm"))))
    areas = stored.document["areas"]
    assert numbers(found["class class0"])["Area"] == (areas["class0"]["px"], "{pixels}")
    assert numbers(found["class class1"])["Share of the area"] == (
        pytest.approx(100 * areas["class1"]["fraction"]),
        "%",
    )
    other = highdicom.sr.srread(io.BytesIO(output(task, stored, "sr.dcm", threshold=0.9)))
    assert numbers(groups(other)["class class0"])["Area"] == (0, "{pixels}")
    assert other.SOPInstanceUID != report(segmented).SOPInstanceUID


def test_boxes_of_a_detection():
    task, stored = stored_of(image_file(MR).read_bytes(), detected)
    found = groups(highdicom.sr.srread(io.BytesIO(output(task, stored, "sr.dcm"))))
    for number, box in enumerate(stored.document["boxes"], 1):
        group = found[f"box {number}"]
        left, top, right, bottom = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
        corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
        np.testing.assert_allclose(group.roi.value, corners, atol=1e-3)
        assert numbers(group)["Probability"] == (pytest.approx(box["score"]), "1")
        assert group.finding_type.value == box["label"]


def test_of_many_boxes_it_says_how_many_are_left_out():
    found = report(lambda: detected(130))
    assert sum(name.startswith("box") for name in groups(found)) == 100
    assert "30 of 130 boxes are left out here." in comments(found)
    assert not any("left out" in each for each in comments(report(detected)))


def test_the_box_of_a_localisation():
    found = groups(report(localised))["box"]
    assert numbers(found)["Certainty of Finding"] == (pytest.approx(95, abs=1), "%")
    assert len(found.roi.value) == 5


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_model_notice_and_source(kind):
    found = report(kind)
    source = pydicom.dcmread(image_file(MR))
    assert any(
        each.startswith("Research use only. Not a medical device.") and SHA256 in each for each in comments(found)
    )
    contexts = found.content.get_observer_contexts()
    device = contexts[0].observer_identifying_attributes
    assert (device.name, device.model_name, device.serial_number) == ("tiny 3", "tiny", SHA256)
    assert found.get_evidence() == [
        (source.StudyInstanceUID, source.SeriesInstanceUID, source.SOPInstanceUID, source.SOPClassUID)
    ]
    assert found.ContentTemplateSequence[0].TemplateIdentifier == "1500"


def test_warnings_are_comments():
    found = report(delineated)
    assert any(each.startswith("Warning: The outline has 2 separate regions") for each in comments(found))


def test_regions_of_a_frame_name_it():
    found = stored_of(image_file("emri_small.dcm").read_bytes(), delineated, 4)
    read = highdicom.sr.srread(io.BytesIO(output(*found, "sr.dcm")))
    region = groups(read)["region 1"]
    (image,) = region.roi.ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedFrameNumber == 4
