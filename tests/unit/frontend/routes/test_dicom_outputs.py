"""A DICOM image in, DICOM objects out, over HTTP."""

import io
import logging
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pydicom.data
import pytest
from PIL import Image

from oncoserve.inference.backend import TensorSpec
from oncoserve.results.evidence.output_uids import Asked
from testbed.fakes import FP32, FakeBackend, card, classifier, write_card
from testbed.in_process import PNG, PREDICT, Service, assert_problem

NAME, PATIENT = "Secret^Somebody", "PID-99-31"
LIMITS = {"least_mask": 0.5, "method": "m", "caption": "c", "figures": "f"}


class Delineates(FakeBackend):
    """A classifier that outlines a part of every picture."""

    high = 0.9

    async def infer(self, model, version, inputs, outputs, timeout_s):
        answers = await super().infer(model, version, inputs, ["probabilities"], timeout_s)
        mask = np.zeros((1, 8, 8), np.float32)
        mask[0, 2:5, 3:6] = self.high
        return answers | {"mask": mask}


def instance(**changes):
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file("MR_small.dcm"))
    dataset.PatientName, dataset.PatientID = NAME, PATIENT
    for name, value in changes.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture
async def service(tmp_path):
    made = classifier()
    backend = Delineates(replace(made, outputs=(*made.outputs, TensorSpec("mask", FP32, (8, 8)))))
    running = Service(tmp_path, backend)
    write_card(tmp_path / "models", card(task="delineation", delineation=LIMITS))
    async with running:
        yield running


async def result_of(service, data, **parameters):
    response = await service.http.post(PREDICT, content=data, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_three_files_of_a_dicom_image(service):
    source = pydicom.dcmread(io.BytesIO(instance()))
    result = await result_of(service, instance())
    found = {}
    for kind in ("seg", "sr", "sc"):
        response = await service.http.get(result["links"][kind])
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/dicom"
        assert response.headers["content-disposition"] == f'attachment; filename="{result["id"]}-{kind}.dcm"'
        found[kind] = pydicom.dcmread(io.BytesIO(response.content))
        assert found[kind].StudyInstanceUID == source.StudyInstanceUID
        assert str(found[kind].PatientName) == NAME
    made = result["provenance"]
    asked = Asked(str(source.SOPInstanceUID), 1, "tiny", "1", made["model_sha256"], made["parameters"], {})
    assert [found[kind].SOPInstanceUID for kind in found] == [asked.uid(kind) for kind in found]
    mask = Image.open(io.BytesIO((await service.http.get(result["links"]["mask"])).content))
    np.testing.assert_array_equal(found["seg"].pixel_array, np.asarray(mask))
    report = highdicom.sr.ComprehensiveSR.from_dataset(found["sr"])
    (region,) = report.content.get_planar_roi_measurement_groups()
    (area,) = [each for each in region.get_measurements() if each.name.meaning == "Area"]
    place = result["localisation"]
    assert (float(area.value), area.unit.value) == (pytest.approx(place["area_mm2"], abs=0.01), "mm2")


async def test_a_second_run_gives_the_same_files(service):
    first = await result_of(service, instance())
    before = [(await service.http.get(first["links"][kind])).content for kind in ("seg", "sr", "sc")]
    second = await result_of(service, instance())
    assert [(await service.http.get(second["links"][kind])).content for kind in ("seg", "sr", "sc")] == before


async def test_deidentified_files_agree_with_each_other(service):
    result = await result_of(service, instance())
    studies = set()
    for kind in ("seg", "sr", "sc"):
        response = await service.http.get(result["links"][kind], params={"deidentify": True})
        assert NAME.encode() not in response.content
        assert PATIENT.encode() not in response.content
        studies.add(pydicom.dcmread(io.BytesIO(response.content)).StudyInstanceUID)
    assert len(studies) == 1


async def test_other_pictures_have_none(service):
    result = await result_of(service, PNG)
    assert not {"seg", "sr", "sc"} & result["links"].keys()
    answer = await service.http.get(f"{result['links']['self']}/seg.dcm")
    problem = assert_problem(answer, 404, "source_not_dicom")
    assert "the picture was PNG" in problem.detail


async def test_nothing_outlined_is_no_segmentation(service):
    service.backend.high = 0.1
    result = await result_of(service, instance())
    assert {"seg", "sr", "sc"} & result["links"].keys() == {"sr", "sc"}
    answer = await service.http.get(f"{result['links']['self']}/seg.dcm")
    assert_problem(answer, 404, "nothing_to_segment")
    assert (await service.http.get(result["links"]["sr"])).status_code == 200


async def test_an_image_without_uids_is_told_so(service):
    result = await result_of(service, instance(StudyInstanceUID=""))
    problem = assert_problem(await service.http.get(f"{result['links']['self']}/sr.dcm"), 422, "source_incomplete")
    assert "StudyInstanceUID" in problem.detail


async def test_options_are_looked_at(service):
    result = await result_of(service, instance())
    for query in ({"deidentify": "perhaps"}, {"opacity": 1}, {"frame": "file"}):
        assert_problem(await service.http.get(result["links"]["sr"], params=query), 422, "invalid_parameter")


async def test_the_source_itself_is_not_served(service):
    result = await result_of(service, instance())
    assert (await service.http.get(f"{result['links']['self']}/source.dcm")).status_code == 404


async def test_accepting_dicom_alone_is_not_offered(service):
    answer = await service.http.post(PREDICT, content=instance(), headers={"Accept": "application/dicom"})
    assert_problem(answer, 406, "not_acceptable")


async def test_the_document_of_the_interface_has_them(service):
    paths = (await service.http.get("/openapi.json")).json()["paths"]
    for name in ("seg.dcm", "sr.dcm", "sc.dcm"):
        operation = paths[f"/v1/results/{{result}}/{name}"]["get"]
        assert "application/dicom" in operation["responses"]["200"]["content"]
        assert {"deidentify", "threshold"} <= {each["name"] for each in operation["parameters"]}


async def test_nobody_is_named_beside_the_files(service, caplog):
    caplog.set_level(logging.DEBUG)
    result = await result_of(service, instance())
    for kind in ("seg", "sr", "sc"):
        response = await service.http.get(result["links"][kind])
        assert not any(word in str(response.headers) for word in ("Secret", PATIENT))
    assert not any(word in caplog.text + str(result) for word in ("Secret", PATIENT))
