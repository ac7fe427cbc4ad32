"""DICOM files that are damaged, or made to be dear: refused with a code, in no time, and the service goes on."""

import time

import httpx
import pytest

from oncoserve.errors import RequestError
from oncoserve.pictures.decode import check, read_header
from oncoserve.pictures.dicom.instance import read_instance
from oncoserve.pictures.dicom.one_frame import frame_of
from oncoserve.pictures.png_jpeg.scrub import without_metadata
from tests.hostile.dicom_bombs import REFUSED
from tests.hostile.dicom_mutants import mutants
from tests.hostile.test_bombs import peak_mib, reset_peak

SEED, SENT = 20261128, 60
MOST_PIXELS = 10**8
REFUSED_WITHIN_S, LONGEST_S, MAX_RISE_MIB = 5, 2, 300


def read(data):
    """All that the service does with a file."""
    check(data, MOST_PIXELS)
    picture = read_header(data, MOST_PIXELS).decode("#000000")
    without_metadata(data, picture)
    assert picture.scan
    picture.scan.document()
    frame_of(read_instance(data, MOST_PIXELS), 1)
    return picture


@pytest.mark.parametrize("files", [200, pytest.param(6000, marks=pytest.mark.long)])
def test_damaged_files_are_read_or_refused(files):
    codes = set()
    for mutant in mutants(SEED, files):
        started = time.thread_time()
        try:
            read(mutant.data)
            codes.add("")
        except RequestError as error:
            codes.add(error.code)
        except BaseException as error:
            raise AssertionError(mutant.name) from error
        assert time.thread_time() - started < LONGEST_S, mutant.name
    assert {"", "corrupt_image", "unsupported_image"} <= codes


@pytest.mark.parametrize("name", REFUSED)
def test_bombs_are_refused(name):
    data, code = REFUSED[name]
    before = reset_peak("self")
    started = time.thread_time()
    with pytest.raises(RequestError) as refused:
        read(data)
    assert refused.value.code == code
    assert time.thread_time() - started < REFUSED_WITHIN_S
    assert peak_mib("self") - before < MAX_RISE_MIB


def test_the_service_answers_them_and_goes_on(patient):
    with httpx.Client(base_url=patient.url, timeout=60) as http:
        for mutant in mutants(SEED + 1, SENT):
            answer = http.post("/v1/models/tiny/predict", content=mutant.data)
            assert answer.status_code in {200, 413, 415, 422}, (mutant.name, answer.text)
        for name, (data, code) in REFUSED.items():
            answer = http.post("/v1/models/tiny/predict", content=data, headers={"Content-Type": "application/dicom"})
            assert answer.json()["code"] == code, name
        assert http.get("/readyz").status_code == 200
