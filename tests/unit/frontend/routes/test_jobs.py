"""Jobs over HTTP, each line of the interface; the worker is not here."""

import asyncio
import sqlite3

import pytest
from starlette.datastructures import Headers

from frontend.http.shapes.job_shapes import JobShape, JobsShape
from frontend.routes.jobs import prefers_async
from oncoserve.errors import AttemptsExhausted
from oncoserve.jobs.embedded.sqlite_database import FILE
from oncoserve.jobs.job import Fault, Outcome
from oncoserve.keys import new_key
from oncoserve.wiring import open_adapters
from testbed.encoded_pictures import encoded, noise
from testbed.fakes import FakeBackend
from testbed.in_process import PNG, PREDICT, Service, assert_problem
from testbed.picture_files.raw_png import png_header

JOBS, UPLOADS = "/v1/jobs", "/v1/uploads"
MAX_IMAGES = 4


@pytest.fixture
async def service(tmp_path):
    settings = {"max_upload_bytes": 2**20, "max_image_pixels": 10_000, "max_job_images": MAX_IMAGES}
    async with Service(tmp_path, FakeBackend(), **settings) as running:
        yield running


async def submit(service, *images, headers=None, **fields):
    files = [("images", image if isinstance(image, tuple) else ("a.png", image)) for image in images]
    return await service.http.post(JOBS, data={"model": "tiny", **fields}, files=files, headers=headers)


def kept_files(tmp_path):
    return [path for path in (tmp_path / "results/jobs/objects").rglob("*") if path.is_file()]


async def test_a_job_is_accepted_and_found_again(service, tmp_path):
    accepted = await submit(service, ("scans/one.png", PNG), ("two.jpg", encoded(noise(), "JPEG")))
    assert accepted.status_code == 202
    job = JobShape.model_validate(accepted.json())
    assert accepted.headers["location"] == f"{JOBS}/{job.id}" == job.links["self"]
    assert job.links["model"] == "/v1/models/tiny"
    assert (job.state, job.model, job.parameters, job.position) == ("QUEUED", "tiny", {}, 0)
    assert job.progress.model_dump() == {"total": 2, "queued": 2, "running": 0, "succeeded": 0, "failed": 0}
    assert [
        (image.name, image.state, image.result, image.links, image.error, image.attempts) for image in job.images
    ] == [(name, "QUEUED", None, {}, None, 0) for name in ("one.png", "two.jpg")]
    again = await service.http.get(accepted.headers["location"])
    assert (again.status_code, again.json()) == (200, accepted.json())
    assert len(kept_files(tmp_path)) == 2
    assert service.backend.calls == []


async def test_what_was_given_up_is_tried_again_as_a_job_of_its_own(service):
    first = (await submit(service, ("one.png", PNG), ("bad.png", b"GIF89a"), ("two.png", PNG))).json()
    retry = f"{JOBS}/{first['id']}/retry"
    assert_problem(await service.http.post(retry), 409, "job_not_ended")
    store = open_adapters(service.settings).store
    for index in (0, 2):
        await store.begin(first["id"], index)
        await store.finish(first["id"], index, Outcome(fault=Fault.of(AttemptsExhausted(3, "It fails."))))
    failed = JobShape.model_validate((await service.http.get(f"{JOBS}/{first['id']}")).json())
    assert [image.error.retryable for image in failed.images] == [True, False, True]
    accepted = await service.http.post(retry)
    assert accepted.status_code == 202
    again = JobShape.model_validate(accepted.json())
    assert accepted.headers["location"] == f"{JOBS}/{again.id}" != failed.links["self"]
    assert [(image.name, image.state) for image in again.images] == [("one.png", "QUEUED"), ("two.png", "QUEUED")]
    assert (await service.http.get(f"{JOBS}/{first['id']}")).json()["state"] == "FAILED"
    assert_problem(await service.http.post(f"{JOBS}/{'0' * 32}/retry"), 404, "job_not_found")


FOUND = {"task": "classification", "version": "1", "label": "lesion", "probability": 0.75, "undetermined": None,
         "warnings": ["small"], "slice": None}  # fmt: skip
AREAS = {"task": "segmentation", "version": "1", "um_per_px": 0.5, "threshold": 0.5, "warnings": [], "slice": None,
         "areas": {"lumen": {"px": 7, "mm2": 0.5, "fraction": 1.0}}}  # fmt: skip


async def end(service, job, *findings):
    store = open_adapters(service.settings).store
    for index, finding in enumerate(findings):
        await store.begin(job["id"], index)
        await store.finish(job["id"], index, Outcome("f" * 32, finding=finding))
    read = (await service.http.get(job["links"]["self"])).json()
    listed = (await service.http.get(JOBS)).json()["jobs"][0]
    JobShape.model_validate(read)
    assert read["finding"] == listed["finding"]
    return read


@pytest.mark.parametrize("found", [FOUND, AREAS], ids=lambda found: found["task"])
async def test_what_was_found_is_in_the_job_and_in_the_list(service, found):
    accepted = (await submit(service, PNG)).json()
    assert accepted["finding"] is accepted["images"][0]["finding"] is None
    job = await end(service, accepted, found)
    assert job["images"][0]["finding"] == found == job["finding"]["image"]


async def test_of_a_job_with_several_images_the_list_has_numbers(service):
    job = await end(service, (await submit(service, PNG, PNG, PNG)).json(), FOUND, FOUND, None)
    assert job["finding"] == {"labels": {"lesion": 2}, "undetermined": {}, "warned": 2, "image": None}
    assert [image["finding"] for image in job["images"]] == [FOUND, FOUND, None]


@pytest.mark.parametrize("odd", [{}, {**FOUND, "task": "counting"}, {**FOUND, "label": ["lesion"]}, {"task": None}])
async def test_what_another_version_noted_and_this_one_cannot_tell_is_left_out(service, odd):
    job = await end(service, (await submit(service, PNG)).json(), odd)
    assert (job["state"], job["images"][0]["result"], job["images"][0]["finding"]) == ("SUCCEEDED", "f" * 32, None)


async def test_what_a_newer_version_noted_beside_it_is_left_out(service):
    job = await end(service, (await submit(service, PNG)).json(), {**FOUND, "more": [1]})
    assert job["images"][0]["finding"] == FOUND


async def test_nothing_of_it_is_shown_when_the_job_has_expired(tmp_path):
    async with Service(tmp_path, FakeBackend(), jobs_ttl_s=60) as running:
        job = await end(running, (await submit(running, PNG)).json(), FOUND)
        database = sqlite3.connect(tmp_path / "results/jobs" / FILE)
        with database:
            database.execute("update jobs set expires = 1")
        database.close()
        read = (await running.http.get(job["links"]["self"])).json()
        listed = (await running.http.get(JOBS)).json()["jobs"][0]
    assert (read["state"], read["finding"], read["images"][0]["finding"]) == ("EXPIRED", None, None)
    assert (listed["state"], listed["finding"]) == ("EXPIRED", None)


REFUSED = [
    (b"", "empty_upload"),
    (b"GIF89a", "unsupported_image"),
    (PNG[:40], "corrupt_image"),
    (png_header(1000, 1000), "image_too_large"),
]


@pytest.mark.parametrize(("data", "code"), REFUSED, ids=[code for _, code in REFUSED])
async def test_a_picture_that_is_refused_fails_alone(service, tmp_path, data, code):
    job = (await submit(service, PNG, ("bad.png", data), PNG)).json()
    assert [image["state"] for image in job["images"]] == ["QUEUED", "FAILED", "QUEUED"]
    assert job["state"] == "QUEUED"
    error = job["images"][1]["error"]
    assert (error["code"], bool(error["title"]), bool(error["detail"])) == (code, True, True)
    assert len(kept_files(tmp_path)) == 2


async def test_a_job_of_nothing_else_has_failed_at_once(service):
    job = (await submit(service, b"GIF89a")).json()
    assert (job["state"], job["progress"]["failed"], job["position"]) == ("FAILED", 1, None)


async def test_what_is_wrong_with_the_whole_makes_nothing(service, tmp_path):
    assert_problem(await submit(service), 400, "missing_images")
    assert_problem(await submit(service, PNG, model="other"), 404, "model_not_found")
    assert_problem(await submit(service, PNG, threshold="0.5"), 422, "invalid_parameter")
    assert_problem(await submit(service, *[PNG] * (MAX_IMAGES + 1)), 413, "too_many_images")
    assert_problem(await submit(service, b"x" * 2**20), 413, "upload_too_large")
    no_model = await service.http.post(JOBS, files=[("images", ("a.png", PNG))])
    assert "'model'" in assert_problem(no_model, 422, "invalid_parameter").detail
    twice = {"model": ["tiny", "tiny"]}
    assert_problem(await service.http.post(JOBS, data=twice, files=[("images", PNG)]), 422, "invalid_parameter")
    elsewhere = await service.http.post(JOBS, data={"model": "tiny"}, files=[("image", ("a.png", PNG))])
    assert "'image'" in assert_problem(elsewhere, 422, "invalid_parameter").detail
    no_file = await service.http.post(JOBS, data={"model": "tiny", "images": "text"}, files=[("images", PNG)])
    assert_problem(no_file, 400, "missing_images")
    assert_problem(await service.http.post(JOBS, content=PNG), 422, "invalid_parameter")
    assert (await service.http.get(JOBS)).json() == {"jobs": [], "next": None}
    assert kept_files(tmp_path) == []


async def test_pages_of_jobs(service):
    made = [(await submit(service, PNG)).json() for _ in range(3)]
    first = JobsShape.model_validate((await service.http.get(f"{JOBS}?limit=2")).json())
    assert [job.id for job in first.jobs] == [made[2]["id"], made[1]["id"]]
    assert [job.position for job in first.jobs] == [2, 1]
    rest = JobsShape.model_validate((await service.http.get(first.next)).json())
    assert ([job.id for job in rest.jobs], rest.next) == ([made[0]["id"]], None)
    assert rest.jobs[0].model_dump() == {name: made[0][name] for name in rest.jobs[0].model_dump()}
    for wrong in ("limit=0", "limit=101", "limit=x", "cursor=x", "cursor="):
        assert_problem(await service.http.get(f"{JOBS}?{wrong}"), 422, "invalid_parameter")


async def test_a_deleted_job_is_gone_with_pictures_and_names(service, tmp_path):
    names = [("QX7JANEDOE.png", PNG), ("b.png", PNG)]
    address = (await submit(service, *names)).headers["location"]
    other = (await submit(service, PNG)).headers["location"]
    deleted = await service.http.delete(address)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert_problem(await service.http.get(address), 404, "job_not_found")
    assert_problem(await service.http.delete(address), 404, "job_not_found")
    assert (await service.http.get(other)).status_code == 200
    assert len(kept_files(tmp_path)) == 1
    for file in (tmp_path / "results/jobs").glob("jobs.sqlite*"):
        assert b"QX7JANEDOE" not in file.read_bytes(), file


async def test_only_what_has_ended_and_was_given_up_is_tried_again(service):
    under_way = (await submit(service, PNG)).headers["location"]
    assert_problem(await service.http.post(f"{under_way}/retry"), 409, "job_not_ended")
    refused = await submit(service, b"GIF89a")
    assert refused.json()["images"][0]["error"]["retryable"] is False
    assert_problem(await service.http.post(f"{refused.headers['location']}/retry"), 409, "nothing_to_retry")
    assert_problem(await service.http.post(f"{JOBS}/{'0' * 32}/retry"), 404, "job_not_found")


@pytest.mark.parametrize("name", ["0" * 32, "x", "..%2f..%2fkeys", "%00", "0" * 31 + "%0a", "A" * 32])
async def test_an_id_that_is_none(service, name):
    for method in ("GET", "DELETE"):
        response = await service.http.request(method, f"{JOBS}/{name}")
        assert response.status_code == 404
        assert response.json()["code"] in {"job_not_found", "not_found"}


async def test_owners_do_not_see_each_other(tmp_path):
    made = [new_key("ward"), new_key("lab")]
    (tmp_path / "keys").write_text("".join(f"{key}\n" for _, key in made))
    ward, lab = ({"X-API-Key": secret} for secret, _ in made)
    async with Service(tmp_path, FakeBackend(), api_keys_file=tmp_path / "keys") as service:
        address = (await submit(service, PNG, headers=ward)).headers["location"]
        assert (await service.http.get(address, headers=ward)).status_code == 200
        for method in ("GET", "DELETE"):
            assert_problem(await service.http.request(method, address, headers=lab), 404, "job_not_found")
        assert (await service.http.get(JOBS, headers=lab)).json()["jobs"] == []
        assert len((await service.http.get(JOBS, headers=ward)).json()["jobs"]) == 1
        assert_problem(await service.http.get(JOBS), 401, "unauthorised")


async def test_predict_later(service):
    answer = await service.http.post(PREDICT, content=PNG, headers={"Prefer": "respond-async, wait=10"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    job = JobShape.model_validate(answer.json())
    assert (answer.headers["location"], len(job.images)) == (f"{JOBS}/{job.id}", 1)
    assert (await service.http.get(answer.headers["location"])).json() == answer.json()
    assert service.backend.calls == []
    assert_problem(
        await service.http.post(f"{PREDICT}?x=1", content=PNG, headers={"Prefer": "respond-async"}),
        422,
        "invalid_parameter",
    )
    for prefer in ("", "wait=10", "respond-asynchronously"):
        assert (await service.http.post(PREDICT, content=PNG, headers={"Prefer": prefer})).status_code == 200


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("respond-async", True), ("Respond-Async; x=1", True), ("wait=5, respond-async", True), ("xrespond-async", False)],
)
def test_the_header_prefer(value, wanted):
    assert prefers_async(Headers({"prefer": value})) is wanted


async def test_uploads_are_refused_where_the_store_has_no_addresses(service):
    asked = {"name": "a.png", "bytes": 1000}
    assert_problem(await service.http.post(UPLOADS, json=asked), 501, "uploads_not_supported")
    too_large = assert_problem(
        await service.http.post(UPLOADS, json=asked | {"bytes": 2**20 + 1}), 413, "upload_too_large"
    )
    assert "has 1048577 bytes; the limit is 1048576" in too_large.detail
    for wrong in ({}, {"bytes": 0}, {"bytes": 5, "sha256": "x"}, {"bytes": 5, "owner": "lab"}):
        assert_problem(await service.http.post(UPLOADS, json=wrong), 422, "invalid_parameter")


@pytest.mark.parametrize("name", ["x", "0" * 32, "../" + "0" * 29])
async def test_an_upload_that_is_not_there_fails_alone(service, name):
    job = (await submit(service, PNG, uploads=name)).json()
    assert sorted((image["state"], (image["error"] or {}).get("code")) for image in job["images"]) == [
        ("FAILED", "upload_not_found"),
        ("QUEUED", None),
    ]


async def test_an_expired_job_is_a_record_without_names_and_results(tmp_path):
    async with Service(tmp_path, FakeBackend()) as service:
        address = (await submit(service, ("name.png", PNG))).headers["location"]
        with sqlite3.connect(tmp_path / "results/jobs" / FILE) as database:
            database.execute("UPDATE jobs SET expires = created - 1")
        database.close()
        job = (await service.http.get(address)).json()
        assert (job["state"], job["images"][0]["name"], job["images"][0]["result"]) == ("EXPIRED", "", None)


async def test_a_storage_that_fails_is_told_and_leaves_nothing(service, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/jobs").write_text("a file where a folder has to be")
    failed = await submit(service, PNG)
    assert_problem(failed, 503, "jobs_unavailable")
    assert int(failed.headers["retry-after"]) > 0
    (tmp_path / "results/jobs").unlink()
    assert (await submit(service, PNG)).status_code == 202


async def test_a_locked_database_is_told(service, tmp_path, monkeypatch):
    monkeypatch.setattr("oncoserve.jobs.embedded.sqlite_database.BUSY_TIMEOUT_S", 0.1)
    (tmp_path / "results/jobs").mkdir(parents=True)
    holder = sqlite3.connect(tmp_path / "results/jobs" / FILE, isolation_level=None)
    holder.execute("PRAGMA journal_mode = WAL")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        assert_problem(await submit(service, PNG), 503, "jobs_unavailable")
        assert kept_files(tmp_path) == []
    finally:
        holder.close()
    async with asyncio.timeout(60):
        assert (await submit(service, PNG)).status_code == 202


@pytest.mark.parametrize(
    ("limit", "status", "code"),
    [
        ("max_queued_images_per_owner", 429, "too_many_queued_images"),
        ("max_queued_images", 503, "queue_full"),
    ],
)
async def test_no_more_images_wait_than_may(tmp_path, limit, status, code):
    async with Service(tmp_path, FakeBackend(), **{limit: 2}) as service:
        assert_problem(await submit(service, PNG, PNG, PNG), status, code)  # seen when all of it has come
        assert kept_files(tmp_path) == []
        first = await submit(service, PNG, PNG)
        assert first.status_code == 202
        refused = await service.http.post(JOBS, content=b"not even a form")  # seen before it has come
        problem = assert_problem(refused, status, code)
        assert "2 images of" in problem.detail
        assert "the limit is 2" in problem.detail
        assert int(refused.headers["retry-after"]) >= 1
        later = await service.http.post(PREDICT, content=PNG, headers={"Prefer": "respond-async"})
        assert_problem(later, status, code)
        assert (await service.http.delete(first.headers["location"])).status_code == 204
        assert (await submit(service, PNG, PNG)).status_code == 202  # what was taken back does not count
