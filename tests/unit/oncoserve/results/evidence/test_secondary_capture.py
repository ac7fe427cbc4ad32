"""The overlay as a picture that every viewer shows."""

import io

import numpy as np
import pydicom
import pytest

from oncoserve.errors import InvalidParameter
from tests.unit.oncoserve.results.evidence.dicom_sources import delineated, detected, image_file, output, stored_of

MR = "MR_small.dcm"


def capture(kind=delineated, name="CT_small.dcm", change=None, **options):
    task, stored = stored_of(image_file(name).read_bytes(), kind, change=change)
    return task, stored, pydicom.dcmread(io.BytesIO(output(task, stored, "sc.dcm", **options)))


@pytest.mark.parametrize("kind", [delineated, detected])
def test_it_is_the_overlay_with_the_notice_below(kind):
    task, stored, found = capture(kind)
    rendering = next(each for each in task.renderings(stored.card) if each.name == "overlay.png")
    overlay = np.asarray(rendering.draw(stored, rendering.options()))
    same = (found.pixel_array == overlay).all(axis=2)
    assert same[:100].all()  # of 128 rows
    assert not same[110:].all()  # where the notice is


def test_it_refers_to_its_source_and_says_what_made_it():
    source = pydicom.dcmread(image_file("CT_small.dcm"))
    _, _, found = capture()
    (reference,) = found.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == source.SOPClassUID
    assert "Research use only. Not a medical device. Model tiny, version 3, SHA-256 abab" in found.DerivationDescription
    assert (found.PixelSpacing, found.ConversionType) == (source.PixelSpacing, "WSD")
    assert found.PatientOrientation == ["L", "P"]


@pytest.mark.parametrize(("said", "expected"), [("NO", "NO"), ("YES", "YES"), (None, "YES")])
def test_text_in_the_pixels_is_taken_to_be_there_unless_the_source_denies_it(said, expected):
    def change(header):
        header.BurnedInAnnotation = said

    assert capture(change=change)[2].BurnedInAnnotation == expected


def test_pixels_that_name_somebody_are_not_deidentified():
    def change(header):
        header.BurnedInAnnotation = "YES"

    with pytest.raises(InvalidParameter, match="its pixels hold such text"):
        capture(change=change, deidentify=True)
