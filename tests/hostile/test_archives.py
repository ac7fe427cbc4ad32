"""Archives that are small to send and dear to unpack, or that lie: refused cheaply, and nothing of them stays."""

import itertools
import statistics
import time

import httpx
import pytest

from oncoserve.errors import RequestError
from oncoserve.jobs.intake.pieces import Pieces
from oncoserve.jobs.intake.submission import Allowance, JobLimits
from oncoserve.jobs.intake.zip_archive import Archive
from testbed.encoded_pictures import encoded, noise
from testbed.picture_files.zip_files import overlapping, with_entries_changed, with_many_entries, zipped
from tests.hostile.test_bombs import peak_mib, reset_peak

MEGABYTES = 60
MAX_JOB_BYTES = 100 * 10**6
LIMITS = JobLimits(3600, 1000, 10**8, 256 * 2**20, MAX_JOB_BYTES)
PNG = encoded(noise((16, 16)))
BOMB = zipped([("a.png", PNG + bytes(MEGABYTES * 10**6))])
BOMBS = zipped([(f"{number}.png", PNG + bytes(MEGABYTES * 10**6)) for number in range(3)])
SIZE = 24  # of a file unpacked, in an entry of the directory
REFUSED_WITHIN_S = 0.5
MAX_RISE_MIB = 16

REFUSED = {
    "180 MB in 0.2": (BOMBS, "job_too_large"),
    "900 files in one place": (overlapping(PNG + bytes(10**6), 900), "unusable_archive"),
    "a million entries": (with_many_entries(10**6), "unusable_archive"),
    "30,000 entries": (with_many_entries(30_000), "unusable_archive"),
    "encrypted": (with_entries_changed(zipped([("a.png", PNG)]), 8, "<H", 1), "unusable_archive"),
    "out of the folder": (zipped([("../../a.png", PNG)]), "unusable_archive"),
    "one path again and again": (zipped([("a.png", PNG)] * 500), "unusable_archive"),
    "cut off": (BOMB[:-40], "unusable_archive"),
    "nothing in it": (zipped([]), "unusable_archive"),
    "texts alone": (zipped([(f"{number}.txt", b"hello") for number in range(900)]), "unusable_archive"),
}
FAIL_ALONE = {
    "60 MB that states a kilobyte": (with_entries_changed(BOMB, SIZE, "<I", 1000), "corrupt_image"),
    "archives in archives": (zipped([("lib 0.zip", zipped([("book 0.zip", BOMB)]))]), "unsupported_image"),
    "zeros alone": (zipped([("a.png", bytes(MEGABYTES * 10**6))]), "unsupported_image"),
}


def taken_apart(data):
    """Codes of what fails alone, of the first few."""
    pieces = Pieces(LIMITS, Allowance(LIMITS, 1), lambda size: None, all_frames=True)
    found = itertools.islice(pieces.of_archive(Archive(data, LIMITS)), 5)
    return [each.fault.code if each.fault else None for each in found]


def cheaply(do):
    """What it gives, having taken little time and memory."""
    took_s = []
    before = reset_peak("self")
    for _ in range(3):
        started = time.thread_time()
        found = do()
        took_s.append(time.thread_time() - started)
    assert statistics.median(took_s) < REFUSED_WITHIN_S
    assert peak_mib("self") - before < MAX_RISE_MIB
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_no_time_and_without_memory(name):
    data, code = REFUSED[name]

    def refused():
        with pytest.raises(RequestError) as error:
            taken_apart(data)
        return error.value.code

    assert cheaply(refused) == code


@pytest.mark.parametrize("name", FAIL_ALONE)
def test_one_file_of_it_fails_in_no_time_and_without_memory(name):
    data, code = FAIL_ALONE[name]
    assert cheaply(lambda: taken_apart(data)) == [code]


def test_the_service_refuses_them_keeps_nothing_and_goes_on(tiny):
    with tiny(max_job_bytes=MAX_JOB_BYTES) as service, httpx.Client(base_url=service.url, timeout=60) as http:

        def send(data):
            return http.post("/v1/jobs", data={"model": "tiny"}, files=[("images", ("patient.zip", data))])

        for name, (data, code) in REFUSED.items():
            answer = send(data)
            assert (answer.status_code // 100, answer.json()["code"]) == (4, code), name
        for name, (data, code) in FAIL_ALONE.items():
            (image,) = send(data).json()["images"]
            assert (image["state"], image["error"]["code"]) == ("FAILED", code), name
        kept = [path for path in service.results.rglob("objects/jobs/**/*") if path.is_file()]
        assert kept == []
        assert send(zipped([("a.png", PNG)])).json()["state"] == "QUEUED"
        assert "patient" not in service.output()
