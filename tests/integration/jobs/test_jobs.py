"""Jobs through the real frontend, its worker process and the real Triton."""

import asyncio
import signal
import sqlite3
import time

import httpx
import psutil
import pytest

from frontend.http.job_shapes import JobShape
from testbed.encoded_pictures import encoded, noise
from testbed.servers import TritonServer

PATIENCE_S = 240  # only a test that fails waits that long


def pictures(count, first=0):
    return [("images", (f"{seed}.png", encoded(noise(seed=seed)))) for seed in range(first, first + count)]


def submit(service, files):
    answer = httpx.post(f"{service.url}/v1/jobs", data={"model": "tiny"}, files=files, timeout=60)
    assert answer.status_code == 202, answer.text
    return service.url + answer.headers["location"]


def ended(address, within_s=PATIENCE_S):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        job = JobShape.model_validate(httpx.get(address, timeout=60).json())
        if job.state not in {"QUEUED", "RUNNING"}:
            return job
        time.sleep(0.1)
    pytest.fail(f"not ended: {job.progress}")


def worker_of(service):
    """The worker process, when there is one."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for process in service.family():
            try:
                if "worker" in process.cmdline():
                    return process
            except psutil.Error:
                continue
        time.sleep(0.1)
    pytest.fail("no worker")


async def test_from_upload_to_results(server, start):
    service = start(server.grpc_url)
    damaged = ("images", ("bad.png", encoded(noise())[:-60]))
    job = await asyncio.to_thread(lambda: ended(submit(service, [*pictures(3), damaged])))
    assert (job.state, job.progress.succeeded, job.progress.failed) == ("SUCCEEDED", 3, 1)
    assert [(image.name, image.state) for image in job.images] == [
        ("0.png", "SUCCEEDED"), ("1.png", "SUCCEEDED"), ("2.png", "SUCCEEDED"), ("bad.png", "FAILED"),
    ]  # fmt: skip
    assert (job.images[3].error.code, job.images[3].links) == ("corrupt_image", {})
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
        asked = await http.post("/v1/models/tiny/predict", content=pictures(1)[0][1][1])
        assert asked.headers["cache-status"] == "oncoserve; hit"
        assert asked.json()["id"] == job.images[0].result
        result = (await http.get(job.images[0].links["result"])).json()
        assert job.images[0].links == {"result": result["links"]["self"]} | {
            name: path for name, path in result["links"].items() if name not in {"self", "model"}
        }
        later = await http.post(
            "/v1/models/tiny/predict", content=encoded(noise(seed=9)), headers={"Prefer": "respond-async"}
        )
        assert (await asyncio.to_thread(ended, service.url + later.headers["location"])).state == "SUCCEEDED"
        metrics = (await http.get("/metrics")).text
        assert 'oncoserve_job_images_total{model="tiny",outcome="succeeded"} 4.0' in metrics
        assert "\noncoserve_ready 1.0\n" in metrics


def test_a_worker_that_is_killed_is_replaced_and_all_ends(server, start):
    service = start(server.grpc_url)
    address = submit(service, pictures(40))
    victims = set()
    for _ in range(2):
        victim = worker_of(service)
        victims.add(victim.pid)
        time.sleep(1)
        victim.kill()
    assert ended(address).progress.succeeded == 40
    assert worker_of(service).pid not in victims


def test_the_worker_ends_with_a_frontend_that_is_killed(server, start):
    service = start(server.grpc_url)
    worker = worker_of(service)
    service.kill()
    worker.wait(PATIENCE_S)


def test_a_frontend_that_is_stopped_stops_its_worker(server, start):
    service = start(server.grpc_url)
    worker = worker_of(service)
    assert service.stop(signal.SIGINT) == 0
    assert not worker.is_running()


def test_triton_dies_and_comes_back(embedded_triton, repository, tmp_path, start):
    with TritonServer(repository, tmp_path) as triton:
        service = start(triton.grpc_url, job_lease_s=10)  # no heartbeat comes too late, which would be an attempt
        assert ended(submit(service, pictures(1))).state == "SUCCEEDED"
        triton.triton_process().kill()
        triton.wait()
        address = submit(service, pictures(20, first=1))
        time.sleep(3)
        waiting = JobShape.model_validate(httpx.get(address, timeout=60).json())
        assert waiting.progress.succeeded + waiting.progress.failed == 0
        triton.start()
        triton.wait_ready()
        job = ended(address)
        assert (job.progress.succeeded, {image.attempts for image in job.images}) == (20, {1})


def test_a_database_that_is_locked_and_a_results_folder_that_is_away_only_take_longer(server, start, tmp_path):
    """Longer than the busy timeout; then the results' folder is a file for a while."""
    service = start(server.grpc_url, job_lease_s=5)  # shorter than the lock, longer than any heartbeat is late
    first, second = submit(service, pictures(30)), None
    holder = sqlite3.connect(tmp_path / "results/jobs/jobs.sqlite", isolation_level=None, timeout=30)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(6)
    holder.execute("ROLLBACK")
    holder.close()
    assert ended(first).progress.succeeded == 30
    blocked = [tmp_path / f"results/{number:02x}" for number in range(256)]
    for path in blocked:
        if not path.exists():
            path.write_text("a file where a folder has to be")
    second = submit(service, pictures(30, first=100))
    time.sleep(3)
    for path in blocked:
        if path.is_file():
            path.unlink()
    job = ended(second)
    assert (job.progress.succeeded, {image.attempts for image in job.images}) == (30, {1})
