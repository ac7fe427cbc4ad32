"""Masks as DICOM segmentations: what other programs read of them is what was painted."""

import io
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest

from oncoserve.errors import NothingToSegment
from oncoserve.tasks.base import Stored
from tests.unit.oncoserve.results.evidence.dicom_sources import (
    delineated,
    image_file,
    output,
    segmented,
    stored_of,
)

SOURCES = [
    "MR_small.dcm",
    "CT_small.dcm",
    "RG1_UNCR.dcm",
    "emri_small.dcm",
    "US1_UNCR.dcm",
    "693_J2KI.dcm",
    "OT-PAL-8-face.dcm",
]


def read(data):
    return highdicom.seg.segread(io.BytesIO(data))


def painted(task, stored, **options):
    rendering = next(each for each in task.renderings(stored.card) if each.name == "mask.png")
    return np.asarray(rendering.draw(stored, rendering.options(**options)))


def frames(found):
    """By segment its pixels."""
    pixels = found.pixel_array.reshape(-1, found.Rows, found.Columns)
    shared = found.SharedFunctionalGroupsSequence[0]
    own = [
        (each if "SegmentIdentificationSequence" in each else shared).SegmentIdentificationSequence[0]
        for each in found.PerFrameFunctionalGroupsSequence
    ]
    return {each.ReferencedSegmentNumber: frame for each, frame in zip(own, pixels, strict=True)}


@pytest.mark.parametrize("name", SOURCES)
def test_the_mask_is_that_of_the_png(name):
    task, stored = stored_of(image_file(name).read_bytes(), delineated)
    found = read(output(task, stored, "seg.dcm"))
    (mask,) = frames(found).values()
    np.testing.assert_array_equal(mask, painted(task, stored))
    assert mask.any()
    assert not mask.all()


@pytest.mark.parametrize("threshold", [None, 0.9])
def test_classes_that_overlap_keep_what_they_share(threshold):
    task, stored = stored_of(image_file("CT_small.dcm").read_bytes(), segmented)
    options = {} if threshold is None else {"threshold": threshold}
    found = read(output(task, stored, "seg.dcm", **options))
    masks, flat = frames(found), painted(task, stored, **options)
    assert [each.SegmentLabel for each in found.SegmentSequence] == ["Class 0", "Class 1"][2 - len(masks) :]
    if threshold is None:
        assert (masks[1] & masks[2]).any()
        np.testing.assert_array_equal((masks[1] | masks[2]) > 0, flat > 0)
        assert found.SegmentsOverlap == "YES"
    else:
        np.testing.assert_array_equal(masks[1] > 0, flat == 2)


@pytest.mark.parametrize("name", ["MR_small.dcm", "CT_small.dcm", "693_J2KI.dcm", "US1_UNCR.dcm"])
def test_it_lies_where_its_source_does(name):
    data = image_file(name).read_bytes()
    source = pydicom.dcmread(io.BytesIO(data))
    found = read(output(*stored_of(data, delineated), "seg.dcm"))
    shared, own = found.SharedFunctionalGroupsSequence[0], found.PerFrameFunctionalGroupsSequence[0]
    if "ImagePositionPatient" in source:
        assert own.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient
        assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == source.ImageOrientationPatient
        assert shared.PixelMeasuresSequence[0].PixelSpacing == source.PixelSpacing
        if "FrameOfReferenceUID" in source:
            assert found.FrameOfReferenceUID == source.FrameOfReferenceUID
    else:
        assert "PlanePositionSequence" not in own
    (reference,) = own.DerivationImageSequence[0].SourceImageSequence
    assert (reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID) == (
        source.SOPClassUID,
        source.SOPInstanceUID,
    )
    assert "ReferencedFrameNumber" not in reference


@pytest.mark.parametrize("frame", [1, 7])
def test_of_several_frames_it_refers_to_its_own(frame):
    data = image_file("emri_small.dcm").read_bytes()
    found = read(output(*stored_of(data, delineated, frame), "seg.dcm"))
    own = found.PerFrameFunctionalGroupsSequence[0]
    assert own.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber == frame
    assert found.SourceImageSequence[0].ReferencedFrameNumber == frame


def test_a_segment_says_what_it_is_and_which_model_found_it():
    task, stored = stored_of(image_file("MR_small.dcm").read_bytes(), delineated)
    card = stored.card.model_dump()
    card["classes"][0] |= {
        "code": {"value": "393564001", "meaning": "Glioma"},
        "category": {"value": "49755003", "meaning": "Morphologically Abnormal Structure"},
    }
    stored = Stored(stored.document, stored.files, type(stored.card).model_validate(card), stored.picture)
    found = read(output(task, stored, "seg.dcm"))
    (segment,) = found.SegmentSequence
    kind, category = segment.SegmentedPropertyTypeCodeSequence[0], segment.SegmentedPropertyCategoryCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("393564001", "SCT", "Glioma")
    assert (category.CodeValue, category.CodingSchemeDesignator) == ("49755003", "SCT")
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("tiny", "3")
    assert f"sha256={'ab' * 32}" in algorithm.AlgorithmParameters
    lightness, *_ = segment.RecommendedDisplayCIELabValue
    assert lightness == pytest.approx(0.54 * 0xFFFF, rel=0.05)  # of #d55e00


def test_without_a_code_a_class_is_named_in_a_scheme_of_ours():
    found = read(output(*stored_of(image_file("MR_small.dcm").read_bytes(), segmented), "seg.dcm"))
    kind = found.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("class0", "99ONCOSERVE", "Class 0")
    assert [each.CodingSchemeDesignator for each in found.CodingSchemeIdentificationSequence] == ["99ONCOSERVE"]


def test_an_empty_mask_is_an_error():
    task, stored = stored_of(image_file("MR_small.dcm").read_bytes(), segmented)
    with pytest.raises(NothingToSegment):
        output(task, stored, "seg.dcm", threshold=1)


def test_an_excluded_object_is_in_no_segment_and_makes_another_file():
    task, stored = stored_of(image_file("MR_small.dcm").read_bytes(), segmented)
    view = task.settled(task.view(), stored.card)
    without = replace(stored, corrections={view.model_dump_json(): ["class0-1"]})
    before, after = read(output(task, stored, "seg.dcm")), read(output(task, without, "seg.dcm"))
    assert [each.SegmentLabel for each in before.SegmentSequence] == ["Class 0", "Class 1"]
    assert [each.SegmentLabel for each in after.SegmentSequence] == ["Class 1"]
    assert before.SOPInstanceUID != after.SOPInstanceUID


def test_of_functional_groups_it_takes_those_of_its_frame():
    """Enhanced images say by frame where each lies."""
    data = image_file("eCT_Supplemental.dcm").read_bytes()
    source = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    for frame in (1, 2):
        found = read(output(*stored_of(data, delineated, frame), "seg.dcm"))
        expected = source.PerFrameFunctionalGroupsSequence[frame - 1].PlanePositionSequence[0].ImagePositionPatient
        assert found.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient == expected
        assert found.FrameOfReferenceUID == source.FrameOfReferenceUID
