"""Outputs after the Basic Profile: nothing of the patient is left, and what belonged together still does."""

import io

import pydicom
import pytest

from tests.unit.oncoserve.results.evidence.dicom_sources import delineated, image_file, output, stored_of

NAMED = {
    "PatientName": "Müller^Eva",
    "PatientID": "PID-7731",
    "PatientBirthDate": "19610203",
    "StudyDate": "20240506",
    "StudyTime": "101112",
    "AccessionNumber": "ACC-4417",
    "ReferringPhysicianName": "Schmidt^Ute",
    "StudyID": "ST-9",
    "StudyDescription": "Kopf von Eva",
    "InstitutionName": "Klinikum Nord",
    "StationName": "MR-NORD-3",
    "PatientAge": "063Y",
    "PatientWeight": "71.375",
}
LONE = ("MR_small.dcm", "CT_small.dcm")
FILES = ("seg.dcm", "sr.dcm", "sc.dcm")


def name_it(header):
    header.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in NAMED.items():
        setattr(header, keyword, value)
    header.private_block(0x0011, "Somebody", create=True).add_new(1, "LO", "Eva Müller")


def made(name, change=name_it, source="MR_small.dcm", **options):
    return output(*stored_of(image_file(source).read_bytes(), delineated, change=change), name, **options)


def uids(dataset):
    """Of the elements with UIDs that are nobody's classes, by keyword the values."""
    found = {}

    def look(_, element):
        if element.VR == "UI" and "Class" not in element.keyword:
            found.setdefault(element.keyword, set()).add(element.value)

    dataset.walk(look)
    return found


@pytest.mark.parametrize("name", FILES)
def test_an_output_says_whose_it_is(name):
    found = pydicom.dcmread(io.BytesIO(made(name)))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber", "StudyDescription"):
        assert found[keyword].value == NAMED[keyword]
    assert "InstitutionName" not in found
    assert not any(element.tag.is_private for element in found)
    assert "PatientIdentityRemoved" not in found


@pytest.mark.parametrize("name", FILES)
def test_deidentified_it_does_not(name):
    data = made(name, deidentify=True)
    for value in NAMED.values():
        assert value.encode() not in data
    assert b"20260301" not in data  # the day on which it was made
    found = pydicom.dcmread(io.BytesIO(data))
    assert found.PatientIdentityRemoved == "YES"
    assert found.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert b"Research use only" in data


@pytest.mark.parametrize("name", FILES)
def test_every_uid_of_the_source_is_another_and_the_same_everywhere(name):
    source = pydicom.dcmread(image_file("MR_small.dcm"))
    plain, other = (pydicom.dcmread(io.BytesIO(made(name, deidentify=each))) for each in (False, True))
    known = {value for values in uids(plain).values() for value in values}
    assert source.SOPInstanceUID in known
    assert not known & {value for values in uids(other).values() for value in values}
    assert {keyword: len(values) for keyword, values in uids(other).items()} == {
        keyword: len(values) for keyword, values in uids(plain).items()
    }
    assert other.file_meta.MediaStorageSOPInstanceUID == other.SOPInstanceUID


def test_the_same_uid_becomes_the_same_in_each_file():
    found = [pydicom.dcmread(io.BytesIO(made(name, deidentify=True))) for name in FILES]
    assert len({each.StudyInstanceUID for each in found}) == 1
    assert len({value for each in found for value in uids(each)["ReferencedSOPInstanceUID"]}) == 1


def test_another_service_has_other_pseudonyms():
    task, stored = stored_of(image_file("MR_small.dcm").read_bytes(), delineated)
    others = type(stored)(stored.document, stored.files, stored.card, stored.picture, secret=lambda: b"another")
    study = [
        pydicom.dcmread(io.BytesIO(output(task, each, "sr.dcm", deidentify=True))).StudyInstanceUID
        for each in (stored, others)
    ]
    assert study[0] != study[1]
