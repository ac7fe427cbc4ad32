"""Disks that fill up or stall, and clocks that are set, under the real frontend and worker."""

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from frontend.http.shapes.job_shapes import JobShape
from testbed.encoded_pictures import encoded, noise
from testbed.servers import FrontendServer
from tests.integration.faults.file_systems import CannotMount, freezing, small

PATIENCE_S = 120  # only a test that fails waits that long
MIB = 2**20
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
DAY_S = 24 * 3600


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def mounted(file_system):
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(file_system)
        except (CannotMount, FileNotFoundError) as error:
            pytest.skip(f"no file system of its own: {error}")
        yield made


@pytest.fixture
def http():
    with httpx.Client(timeout=60) as client:
        yield client


def predict(http, service, seed=0, model="tiny"):
    return http.post(f"{service.url}/v1/models/{model}/predict", content=encoded(noise(seed=seed)))


def submit(http, service, count, first=0, model="tiny"):
    files = [("images", (f"{seed}.png", encoded(noise(seed=seed)))) for seed in range(first, first + count)]
    return http.post(f"{service.url}/v1/jobs", data={"model": model}, files=files)


def job(http, service, path):
    return JobShape.model_validate(http.get(service.url + path).json())


def ended(http, service, path):
    def look():
        found = job(http, service, path)
        return found if found.state not in {"QUEUED", "RUNNING"} else None

    return until(look, "the job did not end")


def readiness(http, service):
    answer = http.get(f"{service.url}/readyz")
    return answer.status_code, answer.json()["problems"].get("storage", "")


def status_before_the_body(service):
    """What is answered to an upload of which only the head was sent."""
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = ("POST /v1/models/tiny/predict HTTP/1.1", "Host: x", "Content-Length: 1000000", "Expect: 100-continue")
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        return int(connection.recv(4096).split()[1])


def fill(folder):
    """Write until nothing more fits."""
    with (folder / "ballast").open("ab") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))


def test_below_the_mark_new_work_is_refused_and_comes_back_by_itself(server, start, tmp_path, http):
    with mounted(small(tmp_path / "disk", 16 * MIB, 500)) as disk:
        service = start(server.grpc_url, results_dir=disk, min_free_bytes=4 * MIB, min_free_inodes=100)
        stored = predict(http, service).json()["links"]["self"]

        def refused(reason):
            until(lambda: readiness(http, service)[0] == 503, "it stayed ready")
            assert reason in readiness(http, service)[1]
            for answer in (predict(http, service, 1), submit(http, service, 1)):
                assert (answer.status_code, answer.json()["code"]) == (503, "storage_full")
                assert int(answer.headers["retry-after"]) >= 1
            assert status_before_the_body(service) == 503
            assert http.get(service.url + stored).status_code == 200
            assert "oncoserve_storage_ready 0.0" in http.get(f"{service.url}/metrics").text

        (disk / "ballast").write_bytes(bytes(13 * MIB))
        refused("bytes are free")
        (disk / "ballast").unlink()
        until(lambda: readiness(http, service)[0] == 200, "it stayed away")
        assert predict(http, service, 1).status_code == 200
        for number in range(420):
            (disk / f"ballast{number}").touch()
        refused("files are free")
        for number in range(420):
            (disk / f"ballast{number}").unlink()
        until(lambda: readiness(http, service)[0] == 200, "it stayed away")
        assert predict(http, service, 2).status_code == 200
        service.stop(signal.SIGINT)


def test_a_disk_that_is_full_to_the_last_byte_loses_and_wedges_no_job(server, start, tmp_path, http, gate):
    with mounted(small(tmp_path / "disk", 16 * MIB, 2000)) as disk:
        values = {"results_dir": disk, "min_free_bytes": 0, "min_free_inodes": 0, "job_workers": 1, "job_lease_s": 2}
        service = start(server.grpc_url, **values)
        path = submit(http, service, 10, model="gated").headers["location"]
        until(lambda: job(http, service, path).progress.running, "no image was begun")
        fill(disk)
        gate.open()
        time.sleep(4)  # longer than a lease
        assert submit(http, service, 5, 50).status_code == 503
        (disk / "ballast").unlink()
        done = ended(http, service, path)
        assert (done.progress.succeeded, done.progress.failed) == (10, 0)
        later = submit(http, service, 5, 50).headers["location"]
        assert ended(http, service, later).progress.succeeded == 5
        service.stop()


@pytest.mark.long
def test_a_disk_that_stalls_is_not_waited_for_and_used_when_it_is_back(server, start, tmp_path, http):
    with mounted(freezing(tmp_path / "disk", tmp_path / "image")) as freezer:
        values = {"results_dir": tmp_path / "disk", "min_free_bytes": 0, "job_workers": 1, "storage_timeout_s": 1}
        service = start(server.grpc_url, **values)
        stored = predict(http, service).json()["links"]["self"]
        freezer.freeze()
        try:
            began = time.monotonic()
            for seed in range(1, 7):
                answer = predict(http, service, seed)
                assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
            assert time.monotonic() - began < 30
            for _ in range(3):
                for path in ("/livez", "/metrics", "/v1/models"):
                    assert http.get(service.url + path).status_code == 200
            until(lambda: readiness(http, service)[0] == 503, "it stayed ready")
            assert "not answered" in readiness(http, service)[1]
            assert submit(http, service, 1).status_code == 503
            assert http.get(service.url + stored).status_code == 200
        finally:
            freezer.thaw()
        until(lambda: readiness(http, service)[0] == 200, "it stayed away")
        assert predict(http, service, 1).status_code == 200
        path = submit(http, service, 3, 50).headers["location"]
        assert ended(http, service, path).progress.succeeded == 3
        service.stop()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"", id="empty", marks=pytest.mark.long),
        pytest.param(b"PK", id="cut", marks=pytest.mark.long),
        pytest.param(bytes(5000), id="zeros"),
    ],
)
def test_a_damaged_result_is_computed_anew_by_an_upload_and_by_a_job(server, start, tmp_path, http, damage):
    service = start(server.grpc_url, job_workers=1)
    links = predict(http, service).json()["links"]
    (file,) = (tmp_path / "results").rglob("*.zip")

    def spoil():
        file.write_bytes(damage)
        assert (answer := http.get(service.url + links["self"])).status_code == 404, answer.text

    spoil()
    assert predict(http, service).headers["cache-status"] == "oncoserve; fwd=miss; stored"
    assert http.get(service.url + links["self"]).status_code == 200
    spoil()
    path = submit(http, service, 1).headers["location"]
    assert ended(http, service, path).progress.succeeded == 1
    assert http.get(service.url + links["self"]).status_code == 200
    spoil()
    assert http.delete(service.url + links["self"]).status_code == 204
    assert http.delete(service.url + links["self"]).status_code == 404
    told = "a stored file is damaged"
    until(lambda: service.output().count(told) >= 3, "a line for each of the three")  # written by a thread of its own
    assert service.output().count(told) in {3, 4}  # the worker met one of them, perhaps
    assert 'oncoserve_errors_total{code="storage_unavailable"} 0.0' in http.get(f"{service.url}/metrics").text


@pytest.mark.long
def test_clocks_that_are_set_delete_nothing_and_hold_up_no_job(server, start, repository, tmp_path, http, gate):
    """Eight days ahead, before the start and while it runs; and back by an hour, with images waiting."""
    if not Path(FAKETIME).exists():
        pytest.skip("no faketime")
    clock = tmp_path / "clock"

    def set_clock(offset_s):
        (tmp_path / "new").write_text(f"{offset_s:+}")
        (tmp_path / "new").rename(clock)

    first = start(server.grpc_url)
    stored = predict(http, first).json()["links"]["self"]
    first.stop()
    set_clock(8 * DAY_S)
    values = {"model_repository": repository, "results_dir": tmp_path / "results", "job_workers": 1, "job_lease_s": 2}
    service = FrontendServer(server.grpc_url, tmp_path, **values)
    service.env |= {
        "LD_PRELOAD": FAKETIME,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with service:
        created = JobShape.model_validate(submit(http, service, 1, 20).json()).created
        assert created[:10] > time.strftime("%Y-%m-%d"), "the clock was not set"
        waiting = submit(http, service, 4, 30, "gated").headers["location"]
        until(lambda: job(http, service, waiting).progress.running, "no image was begun")
        for offset_s in (0, -3600, 8 * DAY_S, -8 * DAY_S):
            set_clock(offset_s)
            time.sleep(1.2)  # faketime looks once a second
            assert http.get(service.url + stored).status_code == 200
            assert job(http, service, waiting).state == "RUNNING"
            path = submit(http, service, 1, 20).headers["location"]
            assert ended(http, service, path).state == "SUCCEEDED"
        gate.open()
        done = ended(http, service, waiting)
        assert (done.progress.succeeded, {image.attempts for image in done.images}) == (4, {1})
        assert list((tmp_path / "results").rglob(f"{Path(stored).name}.zip"))
