"""An image's way: API Gateway, authoriser, Lambda, SNS, SQS, a worker with the real Triton, S3 and DynamoDB."""

import asyncio
import time

import httpx
import pytest

from tests.aws.conftest import TIMEOUT_S, ended
from tests.aws.door import Door


def test_from_the_api_to_the_result(api, start_worker, emulator, sample):
    start_worker(emulator.url)
    ward = api("ward")
    files = [("images", ("scan 1.jpg", sample, "image/jpeg")), ("images", ("notes.txt", b"not a picture"))]
    answer = ward.post("/v1/jobs", data={"model": "brain_mri"}, files=files)
    assert answer.status_code == 202, answer.text
    job = ended(ward, answer.json())

    good, bad = job["images"]
    assert (job["state"], good["state"], bad["state"]) == ("PARTIAL", "SUCCEEDED", "FAILED")
    assert (good["name"], bad["error"]["code"]) == ("scan 1.jpg", "unsupported_image")
    led = ward.get(good["links"]["result"])
    assert (led.status_code, led.headers["location"].startswith(emulator.url)) == (307, True)
    result = httpx.get(led.headers["location"], timeout=60)
    assert result.headers["content-type"] == "application/json"
    assert result.json()["label"] == "glioma"
    overlay = httpx.get(ward.get(good["links"]["overlay"]).headers["location"], timeout=60)
    assert (overlay.headers["content-type"], overlay.content[:4]) == ("image/png", b"\x89PNG")


@pytest.mark.long
async def test_while_aws_does_not_answer_jobs_wait_and_then_they_end(api, start_worker, emulator, samples):
    ward = api("ward")
    async with Door(emulator.port) as door:
        worker = start_worker(door.url)
        first = await asyncio.to_thread(submit, ward, samples)
        await asyncio.to_thread(ended, ward, first)
        door.shut()
        second = await asyncio.to_thread(submit, ward, samples)
        await asyncio.to_thread(said, worker, "jobs wait for their storage")
        await asyncio.sleep(1)  # in which they might go on all the same
        waiting = ward.get(second["links"]["self"]).json()["progress"]
        assert waiting["succeeded"] + waiting["failed"] == 0
        assert worker.process.poll() is None, worker.output()
        door.open = True
        job = await asyncio.to_thread(ended, ward, second)
        assert (job["state"], job["progress"]["succeeded"]) == ("SUCCEEDED", len(samples))
        await asyncio.to_thread(worker.stop)
    assert "Traceback" not in worker.output()


def said(server, words):
    """Waits until a server has written that."""
    deadline = time.monotonic() + TIMEOUT_S
    while words not in server.output():
        assert time.monotonic() < deadline, server.output()
        time.sleep(0.05)


def submit(client, pictures):
    answer = client.post(
        "/v1/jobs", data={"model": "brain_mri"}, files=[("images", ("a.jpg", each)) for each in pictures]
    )
    assert answer.status_code == 202, answer.text
    return answer.json()
