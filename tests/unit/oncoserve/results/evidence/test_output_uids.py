"""The UIDs of outputs: known before they are made, the same for the same question, others for another."""

import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from oncoserve.results.evidence.output_uids import Asked
from testbed.picture_files.dicom_files import mr_series, mr_slice
from tests.unit.oncoserve.results.evidence.dicom_sources import SHA256, delineated, image_file, output, stored_of

ASKED = Asked("1.2.3", 1, "tiny", "3", SHA256, {}, {})
CHANGES = {
    "instance": "1.2.4",
    "frame": 2,
    "model": "other",
    "version": "4",
    "model_sha256": None,
    "parameters": {"window": "40,80"},
    "options": {"deidentify": True},
}


@pytest.mark.parametrize("name", ["seg", "sr", "sc"])
def test_they_are_known_before_the_file_is_made(name):
    data = image_file("MR_small.dcm").read_bytes()
    task, stored = stored_of(data, delineated)
    found = pydicom.dcmread(io.BytesIO(output(task, stored, f"{name}.dcm")))
    asked = replace(ASKED, instance=str(pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID))
    assert found.SOPInstanceUID == asked.uid(name)


@pytest.mark.parametrize("deidentify", [False, True])
@pytest.mark.parametrize("name", ["seg.dcm", "sr.dcm", "sc.dcm"])
def test_those_of_a_series_are_a_series(name, deidentify):
    pixels = np.full((64, 64), 7, np.uint16)
    slices = [*mr_series([pixels, pixels + 1]), mr_slice(pixels)]
    made = [
        pydicom.dcmread(io.BytesIO(output(*stored_of(data, delineated), name, deidentify=deidentify)))
        for data in slices
    ]
    first, second, other = (each.SeriesInstanceUID for each in made)
    assert first == second != other
    assert len({each.SOPInstanceUID for each in made}) == 3
    assert [each.InstanceNumber for each in made] == [2, 1, 1]
    assert not any("SeriesTime" in each for each in made)


@pytest.mark.parametrize("name", ["seg.dcm", "sr.dcm", "sc.dcm"])
@pytest.mark.parametrize("deidentify", [False, True])
def test_the_same_result_gives_the_same_bytes(name, deidentify):
    data = image_file("MR_small.dcm").read_bytes()
    first, second = (output(*stored_of(data, delineated), name, deidentify=deidentify) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("field", CHANGES)
def test_another_question_has_others(field):
    assert replace(ASKED, **{field: CHANGES[field]}).uid("seg") != ASKED.uid("seg")


def test_each_is_valid_and_of_its_kind():
    found = {ASKED.uid("seg"), ASKED.uid("sr"), ASKED.uid("seg", "series"), ASKED.uid("seg", "segment", "a")}
    assert len(found) == 4
    assert all(each.is_valid and each.startswith("2.25.") for each in found)
    assert ASKED.uid("seg") == "2.25.190912441739029155459830387265771854839"
