"""Outputs of every image of pydicom's, and of images that lack or garble what an output takes over."""

import contextlib
import io
import logging
import shutil
import subprocess
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement

from oncoserve.errors import CorruptImage, NothingToSegment, PlatformError, SourceIncomplete, SourceNotDicom
from oncoserve.pictures.dicom.instance import read_instance
from oncoserve.results.evidence.evidence_renderings import evidence, evidence_files
from tests.unit.oncoserve.results.evidence.dicom_sources import (
    KINDS,
    classified,
    delineated,
    image_file,
    output,
    segmented,
    stored_of,
)

FOLDER = Path(pydicom.data.__file__).parent
# One of each kind: the others differ in how their pixels are coded, which outputs do not see.
VARIED = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "RG1_UNCR.dcm", "RG3_UNCR.dcm", "US1_UNCR.dcm",
    "693_UNCR.dcm", "emri_small.dcm", "eCT_Supplemental.dcm", "OT-PAL-8-face.dcm", "SC_rgb.dcm", "rtdose.dcm",
    "examples_palette.dcm", "examples_ybr_color.dcm", "mlut_18.dcm", "vlut_04.dcm", "image_dfl.dcm",
    "JPEG2000.dcm", "JPGExtended.dcm", "gdcm-US-ALOKA-16.dcm", "explicit_VR-UN.dcm",
)  # fmt: skip
ITS_OWN_FAULT = ("has same value as FrameOfReferenceUID",)
"""Of the validator, what an output has from its source and may not change."""


@pytest.fixture(scope="module")
def errors_in(unavailable):
    """What `dciodvfy` of dicom3tools finds wrong with a file."""
    command = shutil.which("dciodvfy")
    if command is None:
        unavailable("dicom3tools", "dciodvfy is not there: apt-get install dicom3tools")

    def validate(data, path):
        path.write_bytes(data)
        done = subprocess.run([command, "-new", path], capture_output=True, text=True, errors="replace", check=False)
        lines = (done.stdout + done.stderr).splitlines()
        assert lines, "it says at least which kind of object it is"
        return [each for each in lines if each.startswith("Error") and not any(one in each for one in ITS_OWN_FAULT)]

    return validate


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("deidentify", [False, True])
@pytest.mark.parametrize("name", ["MR_small.dcm", "US1_UNCR.dcm"])
def test_each_task_makes_valid_objects(errors_in, kind, deidentify, name, tmp_path):
    task, stored = stored_of(image_file(name).read_bytes(), kind)
    for each in evidence(task, task.renderings(stored.card)):
        assert errors_in(output(task, stored, each.name, deidentify=deidentify), tmp_path / each.name) == []


@pytest.mark.parametrize("name", [each for each in VARIED if image_file(each)])
def test_each_kind_of_source_makes_valid_objects(errors_in, name, tmp_path):
    task, stored = stored_of(image_file(name).read_bytes(), delineated)
    for each in ("seg.dcm", "sr.dcm", "sc.dcm"):
        assert errors_in(output(task, stored, each), tmp_path / each) == []


@pytest.mark.parametrize("name", [path.name for path in sorted(FOLDER.glob("charset_files/chr[!S]*.dcm"))])
def test_names_of_every_script_are_taken_over(name):
    """The files hold names and no pixels: these are another's."""
    named = pydicom.dcmread(FOLDER / "charset_files" / name)

    def change(header):
        header.SpecificCharacterSet = named.get("SpecificCharacterSet", "")
        header.PatientName = named.PatientName

    found = pydicom.dcmread(
        io.BytesIO(output(*stored_of(image_file("MR_small.dcm").read_bytes(), classified, change=change), "sr.dcm"))
    )
    assert str(found.PatientName) == str(named.PatientName)
    assert found.SpecificCharacterSet == "ISO_IR 192"


def without(*names):
    def change(header):
        for name in names:
            header.pop(name, None)

    return change


def garbled(**values):
    def change(header):
        for name, value in values.items():
            header[name] = DataElement(name, dictionary_VR(name), value, validation_mode=IGNORE)

    return change


ODD = {
    "no patient": without("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "no study": without("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
    "no frame of reference": without("FrameOfReferenceUID"),
    "no place": without("ImagePositionPatient"),
    "no spacing": without("PixelSpacing", "SliceThickness"),
    "no modality": without("Modality"),
    "odd dates": garbled(PatientBirthDate="yesterday", StudyDate="2024-01-02", StudyTime="noon"),
    "odd sex": garbled(PatientSex="?"),
    "long numbers": garbled(AccessionNumber="x" * 40, StudyID="9" * 99),
    "a name of lines": garbled(PatientName="A\nB"),
    "bytes for a name": garbled(PatientName=b"\xff\xfe\x00"),
    "spacing of nothing": garbled(PixelSpacing=[0, 0]),
    "directions of nothing": garbled(ImageOrientationPatient=[0, 0, 0, 0, 0, 0]),
    "place of two numbers": garbled(ImagePositionPatient=[1, 2]),
    "time zone of nothing": garbled(TimezoneOffsetFromUTC="east"),
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_odd_sources_make_valid_objects(errors_in, change, tmp_path):
    task, stored = stored_of(image_file("MR_small.dcm").read_bytes(), delineated, change=change)
    for each in ("seg.dcm", "sr.dcm", "sc.dcm"):
        assert errors_in(output(task, stored, each), tmp_path / each) == []


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_what_nothing_can_refer_to_is_an_error(missing):
    stored = stored_of(image_file("MR_small.dcm").read_bytes(), delineated, change=without(missing))
    with pytest.raises(SourceIncomplete, match=missing):
        output(*stored, "sr.dcm")


def test_what_is_not_dicom_has_none():
    task, stored = stored_of(image_file("MR_small.dcm").read_bytes(), delineated)
    del stored.files["source.dcm"]
    stored.document["image"]["format"] = "PNG"
    with pytest.raises(SourceNotDicom, match=r"There is no sr\.dcm: the picture was PNG, and not DICOM"):
        output(task, stored, "sr.dcm")


def test_a_damaged_source_is_an_error_of_ours():
    task, stored = stored_of(image_file("MR_small.dcm").read_bytes(), delineated)
    stored.files["source.dcm"] = stored.files["source.dcm"][:400]
    with pytest.raises((SourceIncomplete, CorruptImage)):
        output(task, stored, "sr.dcm")


def named(task, stored, **document):
    return set(evidence_files(task, stored.card, {**stored.document, **document}, stored.files.get("source.dcm")))


def test_files_are_named_where_they_can_be_made():
    data = image_file("MR_small.dcm").read_bytes()
    task, stored = stored_of(data, segmented)
    assert named(task, stored) == {"seg", "sr", "sc"}
    assert named(task, stored, **task.review(stored, task.view(threshold=1))) == {"sr", "sc"}
    assert named(*stored_of(data, classified)) == {"sr"}
    assert named(*stored_of(data, segmented, change=without("StudyInstanceUID"))) == set()
    del stored.files["source.dcm"]
    assert named(task, stored) == set()


def test_nothing_of_the_patient_is_logged(caplog, capsys):
    caplog.set_level(logging.DEBUG)
    change = garbled(PatientName="Secret Somebody", PatientID="PID\\31", StudyDate="20241399")
    found = stored_of(image_file("MR_small.dcm").read_bytes(), delineated, change=change)
    for each in ("seg.dcm", "sr.dcm", "sc.dcm"):
        output(*found, each)
    said = caplog.text + "".join(capsys.readouterr())
    assert not any(each in said for each in ("Secret", "PID", "20241399"))


@pytest.mark.slow
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
def test_no_image_of_pydicom_is_an_unexpected_error(every):
    made = 0
    for path in [each for each in sorted(FOLDER.glob("test_files/*")) if each.is_file()][::every]:
        data = path.read_bytes()
        try:
            read_instance(data, 10**9)
        except PlatformError:
            continue
        found = stored_of(data, delineated)
        for each in ("seg.dcm", "sr.dcm"):
            with contextlib.suppress(SourceIncomplete, NothingToSegment):
                made += bool(output(*found, each))
    assert made > 50 / every
