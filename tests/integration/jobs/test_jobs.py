"""Jobs through the real frontend, its worker process and the real Triton."""

import asyncio
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from frontend.http.shapes.job_shapes import JobShape
from oncoserve.jobs.embedded.sqlite_database import BUSY_TIMEOUT_S
from testbed.encoded_pictures import encoded, noise
from testbed.servers import TritonServer

PATIENCE_S = 240  # only a test that fails waits that long


def pictures(count, first=0):
    return [("images", (f"{seed}.png", encoded(noise(seed=seed)))) for seed in range(first, first + count)]


def submit(service, files, model="tiny"):
    answer = httpx.post(f"{service.url}/v1/jobs", data={"model": model}, files=files, timeout=60)
    assert answer.status_code == 202, answer.text
    return service.url + answer.headers["location"]


def look(address):
    return JobShape.model_validate(httpx.get(address, timeout=60).json())


def ended(address):
    return wait_for(address, lambda job: job.state not in {"QUEUED", "RUNNING"})


def wait_for(address, condition):
    """The job when the condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition(job := look(address)):
        assert time.monotonic() < deadline, f"it did not come so far: {job.progress}"
        time.sleep(0.05)
    return job


def worker_of(service, but=()):
    """The worker process, when there is one with none of these numbers."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for process in service.family():
            try:
                if process.pid not in but and "frontend.working" in process.cmdline():
                    return process
            except psutil.Error:
                continue
        time.sleep(0.05)
    pytest.fail("no worker")


async def test_from_upload_to_results(server, start):
    service = start(server.grpc_url)
    damaged = ("images", ("bad.png", encoded(noise())[:-60]))
    job = await asyncio.to_thread(lambda: ended(submit(service, [*pictures(3), damaged])))
    assert (job.state, job.progress.succeeded, job.progress.failed) == ("PARTIAL", 3, 1)
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


def test_processes_that_end(server, start, gate):
    """A worker is killed, a frontend with a worker is killed, and another is stopped; side by side."""

    def kill_the_worker():
        """It is killed when it works on some of the images, and so is the first that replaces it."""
        service = start(server.grpc_url, job_lease_s=1)
        address = submit(service, pictures(12), "gated")
        wait_for(address, lambda job: job.progress.running)
        victims = set()
        for _ in range(2):
            victim = worker_of(service, but=victims)
            victims.add(victim.pid)
            victim.kill()
        worker_of(service, but=victims)
        gate.open()
        job = ended(address)
        assert job.progress.succeeded == 12
        assert max(image.attempts for image in job.images) > 1

    def kill_the_frontend():
        service = start(server.grpc_url)
        worker = worker_of(service)
        service.kill()
        worker.wait(PATIENCE_S)

    def stop_the_frontend():
        service = start(server.grpc_url)
        worker = worker_of(service)
        assert service.stop(signal.SIGINT) == 0
        assert not worker.is_running()

    side_by_side(kill_the_worker, kill_the_frontend, stop_the_frontend)


@pytest.mark.long
def test_what_is_away_for_a_while_only_makes_it_take_longer(embedded_triton, repository, tmp_path, server, start, gate):
    """Triton, the database, which is locked for longer than its busy timeout, and the results' folder; side by side."""

    def kill_triton():
        with TritonServer(repository, tmp_path) as triton:
            service = start(triton.grpc_url, job_lease_s=10)  # no heartbeat comes too late, which would be an attempt
            assert ended(submit(service, pictures(1))).state == "SUCCEEDED"
            triton.end()
            address = submit(service, pictures(20, first=1))
            time.sleep(1.5)  # more than the worker's pause before it would try one of them again
            waiting = look(address)
            assert waiting.progress.succeeded + waiting.progress.failed == 0
            triton.start()
            triton.wait_ready()
            job = ended(address)
            assert (job.progress.succeeded, {image.attempts for image in job.images}) == (20, {1})

    def lock_the_database():
        service = start(server.grpc_url, job_lease_s=5)  # shorter than the lock, longer than any heartbeat is late
        address = submit(service, pictures(30), "gated")
        wait_for(address, lambda job: job.progress.running)
        holder = sqlite3.connect(service.results / "jobs/jobs.sqlite", isolation_level=None, timeout=30)
        holder.execute("BEGIN IMMEDIATE")
        gate.open()
        time.sleep(BUSY_TIMEOUT_S + 1)
        assert look(address).progress.succeeded == 0
        holder.execute("ROLLBACK")
        holder.close()
        assert ended(address).progress.succeeded == 30

    def put_files_in_the_place_of_folders():
        service = start(server.grpc_url, job_lease_s=5)
        service.results.mkdir(exist_ok=True)
        blocked = [service.results / f"{number:02x}" for number in range(256)]
        for path in blocked:
            path.write_text("a file where a folder has to be")
        address = submit(service, pictures(30))
        time.sleep(3)
        assert look(address).progress.succeeded == 0
        for path in blocked:
            path.unlink()
        job = ended(address)
        assert (job.progress.succeeded, {image.attempts for image in job.images}) == (30, {1})

    side_by_side(kill_triton, lock_the_database, put_files_in_the_place_of_folders)


def side_by_side(*parts):
    """Run in threads what waits most of the time, and raise what one of them raises."""
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(part) for part in parts]
    for each in running:
        each.result()
