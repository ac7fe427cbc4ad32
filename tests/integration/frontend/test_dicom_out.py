"""A slice of a brain with a patient: outlined by the real model, and given back as DICOM."""

import io

import highdicom
import numpy as np
import pydicom
import pytest
from PIL import Image

from testbed.picture_files.dicom_files import PLANTED, enhanced_mr, mr_slice

PREDICT = "/v1/models/brain_tumour/predict"
KINDS = ("seg", "sr", "sc")


@pytest.fixture(scope="module")
def pixels(samples):
    """(rows, columns) uint8 of a slice with a meningioma."""
    path = next(path for label, path in samples if label == "meningioma")
    return np.asarray(Image.open(path).convert("L"))


def outlined(http, data, **parameters):
    response = http.post(PREDICT, content=data, params=parameters)
    assert response.status_code == 200, response.text
    result = response.json()
    assert result["localisation"]["outline"], result
    return result


def fetched(http, result, kind, **options):
    response = http.get(result["links"][kind], params=options)
    assert response.status_code == 200, response.text
    return pydicom.dcmread(io.BytesIO(response.content))


def test_an_outline_becomes_objects_of_the_same_study(http, pixels):
    source = pydicom.dcmread(io.BytesIO(data := mr_slice(pixels)))
    result = outlined(http, data)
    found = {kind: fetched(http, result, kind) for kind in KINDS}
    for each in found.values():
        assert each.StudyInstanceUID == source.StudyInstanceUID
        assert each.SeriesInstanceUID != source.SeriesInstanceUID
        assert (each.PatientName, each.PatientID) == (PLANTED["PatientName"], PLANTED["PatientID"])
    mask = np.asarray(Image.open(io.BytesIO(http.get(result["links"]["mask"]).content)))
    np.testing.assert_array_equal(found["seg"].pixel_array, mask)
    (segment,) = found["seg"].SegmentSequence
    codes = {"glioma": "393564001", "meningioma": "302820008", "pituitary": "127024001", None: "108369006"}
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == codes[result["label"]]
    report = highdicom.sr.ComprehensiveSR.from_dataset(found["sr"]).content
    areas = [
        float(each.value)
        for group in report.get_planar_roi_measurement_groups()
        for each in group.get_measurements()
        if each.name.meaning == "Area"
    ]
    assert sum(areas) == pytest.approx(result["localisation"]["area_mm2"], rel=1e-3)


def test_of_an_enhanced_image_each_frame_has_its_own(http, pixels):
    data = enhanced_mr([pixels, pixels[:, ::-1].copy()])
    results = [outlined(http, data, frame=frame) for frame in (1, 2)]
    segmentations = [fetched(http, result, "seg") for result in results]
    own = [each.PerFrameFunctionalGroupsSequence[0] for each in segmentations]
    heights = [each.PlanePositionSequence[0].ImagePositionPatient[2] for each in own]
    assert heights == [3, 8]
    references = [each.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber for each in own]
    assert references == [1, 2]
    assert segmentations[0].SOPInstanceUID != segmentations[1].SOPInstanceUID


@pytest.mark.parametrize("kind", KINDS)
def test_deidentified_nothing_planted_is_left(http, pixels, kind):
    result = outlined(http, mr_slice(pixels))
    data = http.get(result["links"][kind], params={"deidentify": True}).content
    assert not [value for value in set(PLANTED.values()) if value.encode() in data]
    assert pydicom.dcmread(io.BytesIO(data)).PatientIdentityRemoved == "YES"
