"""Presigned addresses: they take one upload and no other, for a while."""

import asyncio
import hashlib

import httpx
import pytest

from oncoserve.jobs.aws.clients import Connection
from oncoserve.jobs.aws.s3_objects import S3Objects


@pytest.fixture
async def objects(stack, emulator):
    connection = Connection(emulator.url)
    yield S3Objects(connection, stack.outputs["BucketName"])
    await connection.close()


def test_a_picture_that_is_uploaded_becomes_a_job(api, sample):
    ward = api("ward")
    asked = {"name": "a.jpg", "bytes": len(sample), "sha256": hashlib.sha256(sample).hexdigest()}
    made = ward.post("/v1/uploads", json=asked)
    assert made.status_code == 201, made.text
    upload = made.json()
    assert httpx.put(upload["url"], content=sample, headers=upload["headers"], timeout=60).status_code == 200
    job = ward.post("/v1/jobs", files={"model": (None, "brain_mri"), "uploads": (None, upload["id"])}).json()
    assert (job["state"], job["progress"]["total"]) == ("QUEUED", 1)
    assert ward.delete(job["links"]["self"]).status_code == 204
    # Another owner cannot name it, and what was never sent is not there.
    for client, upload_id in ((api("lab"), upload["id"]), (ward, "0" * 32)):
        job = client.post("/v1/jobs", files={"model": (None, "brain_mri"), "uploads": (None, upload_id)}).json()
        assert job["images"][0]["error"]["code"] == "upload_not_found"


def test_what_is_too_large_is_told_before_it_is_sent(api):
    ward = api("ward")
    answer = ward.post("/v1/uploads", json={"name": "a.png", "bytes": 268_435_457})
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    assert "268435456" in answer.json()["detail"]
    files = [("images", ("a.jpg", b"\xff\xd8\xff" + bytes(4_500_000)))]
    answer = ward.post("/v1/jobs", data={"model": "brain_mri"}, files=files)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    assert "4500000" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, None),
        ({"content": b"12345"}, "SignatureDoesNotMatch"),
        ({"content": b"1234567"}, "SignatureDoesNotMatch"),
        ({"content": b"12345X"}, "BadDigest"),
        ({"type": "text/html"}, "SignatureDoesNotMatch"),
        ({"key": "uploads/other"}, "SignatureDoesNotMatch"),
        ({"method": "DELETE"}, "SignatureDoesNotMatch"),
    ],
    ids=str,
)
async def test_an_address_takes_exactly_what_it_was_made_for(objects, change, refusal):
    made = await objects.presign_put("uploads/this", 6, 60, hashlib.sha256(b"123456").hexdigest())
    headers = dict(made.headers)
    content = change.get("content", b"123456")
    headers |= {"Content-Length": str(len(content)), "Content-Type": change.get("type", headers["Content-Type"])}
    url = made.url.replace("uploads/this", change.get("key", "uploads/this"))
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.request(change.get("method", "PUT"), url, content=content, headers=headers)
    assert answer.status_code == (200 if refusal is None else 400 if refusal == "BadDigest" else 403)
    assert refusal is None or refusal in answer.text


async def test_an_address_that_is_out_of_date_or_of_somebody_else_s_making(objects):
    await objects.put("results/this", b"{}")
    await objects.put("results/other", b"{}")
    url = await objects.presign_get("results/this", 60)
    brief = await objects.presign_get("results/this", 1)
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(url)).content == b"{}"
        forged = await client.get(url.replace("results/this", "results/other"))
        assert (forged.status_code, "SignatureDoesNotMatch" in forged.text) == (403, True)
        longer = await client.get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=9999"))
        assert (longer.status_code, "SignatureDoesNotMatch" in longer.text) == (403, True)
        async with asyncio.timeout(60):
            while (expired := await client.get(brief)).status_code == 200:
                await asyncio.sleep(0.1)
        assert (expired.status_code, "expired" in expired.text) == (403, True)
