"""A patient planted in every element that can hold a word, and a search of all that the service wrote and sent."""

import io
import json
import time
import zipfile

import httpx
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from testbed.picture_files.dicom_files import mr_slice
from testbed.servers import FrontendServer
from tests.integration.frontend.test_privacy import MARK, Planted, read
from tests.integration.observability.collector import Collector

pytestmark = pytest.mark.filterwarnings("ignore")  # such values are what it is about

MODEL = "brain_tumour"
WORDS = (
    "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "ReferringPhysicianName", "InstitutionName",
    "StationName", "StudyDescription", "SeriesDescription", "ProtocolName", "OperatorsName", "ImageComments",
    "AccessionNumber", "StudyID", "ContrastBolusAgent", "SequenceName", "DeviceSerialNumber", "PatientAddress",
    "RequestedProcedureDescription", "InstitutionAddress", "PerformedProcedureStepDescription",
)  # fmt: skip
CODES = ("BodyPartExamined", "ImageType", "ScanningSequence", "SequenceVariant", "ScanOptions", "PatientPosition")


def pixels(seed):
    """Something like a head: bright and uneven in the middle, dark at the border."""
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    head = (x**2 / 0.5 + y**2 / 0.7 < 1) * (600 + 300 * np.sin(9 * x + seed) * np.cos(7 * y))
    return (head + np.random.default_rng(seed).normal(0, 20, head.shape).clip(-40, 40) + 40).astype(np.uint16)


def planted_file(planted, seed=0, **tags):
    data = mr_slice(pixels(seed), **{"BurnedInAnnotation": "YES", **tags})
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in WORDS:
        setattr(dataset, keyword, planted(keyword)[:60])
    for keyword in CODES:
        element = pydicom.DataElement(keyword, "CS", None)
        element._value = planted(keyword)[:60]
        dataset[keyword] = element
    inner = Dataset()
    inner.PatientName = planted("nested")[:60]
    inner.CodeMeaning = planted("nested code")[:60]
    dataset.RequestAttributesSequence = Sequence([inner])
    block = dataset.private_block(0x0011, planted("private creator")[:60], create=True)
    block.add_new(0x01, "LO", planted("private")[:60])
    block.add_new(0x02, "UN", planted("private bytes").encode())
    dataset.add_new(0x60000022, "LO", planted("overlay")[:60])
    dataset.add_new(0x60003000, "OW", planted("overlay data").encode().ljust(64))
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return bytes(128).replace(b"\0" * 40, planted("preamble").encode()[:40].ljust(40), 1) + buffer.getvalue()[128:]


def ended(http, job):
    deadline = time.monotonic() + 60
    while job["state"] in {"QUEUED", "RUNNING"}:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
        job = http.get(job["links"]["self"]).json()
    return job


def archive(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number, data in enumerate(files):
            packed.writestr(f"IM{number}", data)
    return buffer.getvalue()


def ask(http, planted, found):
    """Every way in, and every form of the results but those that hold the patient because they have to."""
    predict = f"/v1/models/{MODEL}/predict"
    named = {"image": (f"{planted('file-name')}.dcm", planted_file(planted), "application/dicom")}
    first = http.post(predict, files=named)
    assert first.status_code == 200, first.text
    document = first.json()
    assert "burned_in_text" in {each["code"] for each in document["warnings"]}
    found["answer"] = read(first)
    for name, link in document["links"].items():
        if not link.endswith(".dcm"):
            found[name] = read(http.get(link))
    for path in ("page.html", "tiles", "thumbnail.jpg"):
        found[path] = read(http.get(f"/v1/results/{document['id']}/{path}"))
    one = {"StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.5"}
    stack = [planted_file(planted, n, **one, ImagePositionPatient=[0, 0, 5.0 * n]) for n in range(3)]
    files = {"images": (f"{planted('archive-name')}.zip", archive(stack), "application/zip")}
    job = ended(http, http.post("/v1/jobs", data={"model": MODEL}, files=files).json())
    assert job["state"] == "SUCCEEDED"
    found["job"] = json.dumps(job | {"images": [each | {"name": ""} for each in job["images"]]}).encode()
    assert http.delete(job["links"]["self"]).status_code == 204
    return [document["id"], *(each["result"] for each in job["images"])]


def provoke(http, planted):
    """What goes wrong with the patient in it."""
    predict = f"/v1/models/{MODEL}/predict"
    whole = planted_file(planted)
    answers = [
        http.post(predict, content=whole[: len(whole) // 2]),
        http.post(predict, content=planted_file(planted, Modality="CT")),
        http.post(predict, content=planted_file(planted, Modality=planted("Modality")[:16])),
        http.post(predict, content=planted_file(planted, PixelSpacing=[0, 0])),
        http.post(predict, content=whole.replace(b"MONOCHROME2 ", planted("colour").encode()[:12], 1)),
        http.post(predict, params={"frame": 7}, content=whole),
        http.post(predict, params={"window": "9"}, content=whole),
    ]
    assert [each.status_code for each in answers] == [422, 422, 200, 200, 422, 422, 422]
    return b"\n".join(map(read, answers))


def test_a_planted_patient_is_where_seg_and_sr_need_it_alone(triton, model_repository, tmp_path):
    planted, found = Planted(), {}
    written = tmp_path / "results"
    with Collector() as collector:
        service = FrontendServer(
            triton.grpc_url, tmp_path, model_repository=model_repository, results_dir=written, log_level="debug",
            otlp_endpoint=collector.url, job_workers=1,
        )  # fmt: skip
        service.env |= {"OTEL_BSP_SCHEDULE_DELAY": "200"}
        with service, httpx.Client(base_url=service.url, timeout=60) as http:
            results = ask(http, planted, found)
            found["what went wrong"] = provoke(http, planted)
            for path in ("/metrics", "/v1/models", "/readyz", "/"):
                found[path] = read(http.get(path))
            report, anonymous = (
                http.get(f"/v1/results/{results[0]}/sr.dcm", params=asked).content
                for asked in ({}, {"deidentify": "true"})
            )
            assert MARK.encode() in report  # so that the archive knows whose it is
            found["sr.dcm, deidentified"] = anonymous
            kept = {path.name: path.read_bytes() for path in written.rglob("*.zip")}
            for result in results:
                with zipfile.ZipFile(io.BytesIO(kept[f"{result}.zip"])) as stored:
                    assert MARK.encode() in stored.read("source.dcm")
                    found |= {
                        f"{result} {name}": stored.read(name) for name in stored.namelist() if name != "source.dcm"
                    }
                assert http.delete(f"/v1/results/{result}").status_code == 204
            left = [path for path in written.rglob("*.zip") if path.stem in results]
            assert not left
    found["traces"] = str(collector.spans).encode()
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".zip":
            found[str(path.relative_to(tmp_path))] = path.read_bytes()
        assert MARK not in path.name
    assert b'"level": "debug"' in found["frontend.log"]
    for name, content in found.items():
        for needle in planted.needles():
            assert needle not in content, f"{needle[:60]} in {name}"
