"""Files that are small to send and dear to open: refused in no time and without memory, or opened cheaply."""

import statistics
import time
from pathlib import Path

import httpx
import pytest

from oncoserve.errors import RequestError
from oncoserve.pictures.decode import decode
from tests.hostile.bombs import REFUSED, TAKEN

MAX_PIXELS = 100_000_000
REFUSED_WITHIN_S = 0.05
MAX_RISE_MIB = 8


def peak_mib(pid):
    """Largest resident memory since the last `reset_peak`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def reset_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_mib(pid)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_no_time_and_without_memory(name):
    data, code = REFUSED[name]
    took_s = []
    before = reset_peak("self")
    for _ in range(5):
        started = time.thread_time()  # what others do on a busy machine is not its work
        with pytest.raises(RequestError) as refused:
            decode(data, MAX_PIXELS, "#000000")
        took_s.append(time.thread_time() - started)
    assert refused.value.code == code
    assert statistics.median(took_s) < REFUSED_WITHIN_S
    assert peak_mib("self") - before < MAX_RISE_MIB


@pytest.mark.parametrize("name", TAKEN)
def test_opened_cheaply(name):
    before = reset_peak("self")
    started = time.thread_time()
    decode(TAKEN[name], MAX_PIXELS, "#000000")
    assert time.thread_time() - started < 1
    assert peak_mib("self") - before < 64


def test_the_service_refuses_them_and_goes_on(patient):
    with httpx.Client(base_url=patient.url, timeout=60) as http:
        for name, (data, code) in REFUSED.items():
            answer = http.post("/v1/models/tiny/predict", content=data)
            assert (answer.status_code // 100, answer.json()["code"]) == (4, code), name
        for name, data in TAKEN.items():
            assert http.post("/v1/models/tiny/predict", content=data).status_code == 200, name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("PNG, 400 megapixels in 0.5 MB", "20000 x 20000 = 400000000 pixels; the limit is 100000000"),
        ("JPEG, 1,000 scans", "at least 51 scans; the limit is 50"),
        ("PNG, 2000 profiles of 1 MB", "at least 17 compressed texts and profiles; the limit is 16"),
        ("PNG, a text of 500 MB", "at least 1048577 bytes in a compressed text; the limit is 1048576"),
    ],
)
def test_the_error_states_the_limit(name, says):
    with pytest.raises(RequestError) as refused:
        decode(REFUSED[name][0], MAX_PIXELS, "#000000")
    assert says in refused.value.detail
