"""Whatever one frontend made, another answers, draws, corrects and deletes; and jobs are everybody's."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import psutil
import pytest

from testbed.encoded_pictures import encoded, noise
from testbed.servers import PROJECT, FrontendServer

PREDICT = "/v1/models/tiny/predict"
PATIENCE_S = 120


def pictures(count, first=0):
    return [("images", (f"{seed}.png", encoded(noise(seed=seed)))) for seed in range(first, first + count)]


def wait_for(address, condition):
    until = time.monotonic() + PATIENCE_S
    while True:
        answer = httpx.get(address, timeout=60)
        if answer.status_code == 200 and condition(job := answer.json()):
            return job
        assert time.monotonic() < until, answer.text[:500]
        time.sleep(0.1)


def ended(address):
    return wait_for(address, lambda job: job["state"] not in {"QUEUED", "RUNNING"})


def resume(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()


def ready(service):
    until = time.monotonic() + PATIENCE_S
    while not service.is_ready():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_result_is_everybodys(start, shared):
    one, other = (start(**shared, job_workers=0) for _ in range(2))
    data = encoded(noise(seed=1))
    made = httpx.post(one.url + PREDICT, content=data, timeout=60)
    assert (made.status_code, made.headers["cache-status"]) == (200, "oncoserve; fwd=miss; stored")
    result = made.json()
    links = result["links"]
    assert httpx.get(other.url + links["self"], timeout=60).json() == result
    again = httpx.post(other.url + PREDICT, content=data, timeout=60)
    assert again.headers["cache-status"] == "oncoserve; hit"
    assert again.json() == result
    for name in {*links} - {"self", "model", "tiles"}:
        drawn = [httpx.get(each.url + links[name], timeout=60) for each in (one, other)]
        assert {each.status_code for each in drawn} == {200}, name
        assert drawn[0].content == drawn[1].content, name
    assert httpx.delete(other.url + links["self"], timeout=60).status_code == 204
    for each in (one, other):
        for name in {*links} - {"model"}:
            assert httpx.get(each.url + links[name], timeout=60).status_code == 404, name
        assert not [path for path in each.results.rglob("*.zip") if path.is_file()]
    assert httpx.post(one.url + PREDICT, content=data, timeout=60).headers["cache-status"] != "oncoserve; hit"


def test_corrections_and_tiles_are_everybodys(triton, model_repository, shared, tmp_path):
    """Of the only task with objects, with its real model."""
    folders = [tmp_path / name for name in "ab"]
    with contextlib.ExitStack() as stack:
        services = []
        for folder in folders:
            folder.mkdir()
            values = {"model_repository": model_repository, "results_dir": folder / "results", **shared}
            services.append(stack.enter_context(FrontendServer(triton.grpc_url, folder, **values)))
        one, other = (stack.enter_context(httpx.Client(base_url=each.url, timeout=120)) for each in services)
        picture = (PROJECT / "build/samples/he_tissue/he/histo.jpg").read_bytes()
        made = one.post("/v1/models/he_tissue/predict", content=picture, params={"um_per_px": 0.8})
        links = made.raise_for_status().json()["links"]
        tile = f"{links['self']}/tiles/overlay/0/0_0"
        before = [each.get(tile).raise_for_status().content for each in (one, other)]
        assert before[0] == before[1]
        name = other.get(links["polygons"]).json()["features"][0]["properties"]["name"]
        corrected = other.put(f"{links['self']}/corrections", json={"excluded": [name]}).raise_for_status().json()
        assert corrected["excluded"] == [name]
        for each in (one, other):
            assert each.get(links["self"]).json() == corrected
            names = {feature["properties"]["name"] for feature in each.get(links["polygons"]).json()["features"]}
            assert name not in names
        assert one.get(links["overlay"]).content == other.get(links["overlay"]).content
        one.put(f"{links['self']}/corrections", json={"excluded": []}).raise_for_status()
        assert "excluded" not in other.get(links["self"]).json()


def test_a_job_is_everybodys(start, shared):
    front, back = start(**shared, job_workers=0), start(**shared, job_workers=1)
    sent = httpx.post(f"{front.url}/v1/jobs", data={"model": "tiny"}, files=pictures(5), timeout=60)
    assert sent.status_code == 202, sent.text
    path = sent.headers["location"]
    job = ended(front.url + path)
    assert (job["state"], job["progress"]["succeeded"]) == ("SUCCEEDED", 5)
    assert httpx.get(back.url + path, timeout=60).json() == job
    for image in job["images"]:
        assert httpx.get(front.url + image["links"]["result"], timeout=60).status_code == 200
    assert httpx.delete(back.url + path, timeout=60).status_code == 204
    assert httpx.get(front.url + path, timeout=60).status_code == 404


def test_workers_that_are_killed_lose_no_image(start, shared):
    services = [start(**shared, job_workers=1, job_lease_s=1) for _ in range(2)]
    sent = httpx.post(f"{services[0].url}/v1/jobs", data={"model": "tiny"}, files=pictures(60), timeout=60)
    address = services[1].url + sent.headers["location"]
    wait_for(address, lambda job: job["progress"]["succeeded"] > 3)
    for service in services:
        for process in service.processes("frontend.working"):
            process.kill()
    job = ended(address)
    assert job["progress"]["succeeded"] == 60
    assert len({image["result"] for image in job["images"]}) == 60


@pytest.mark.parametrize("how", ["killed", pytest.param("frozen", marks=pytest.mark.long)])
@pytest.mark.parametrize("which", [0, 1], ids=["postgres", "seaweed"])
def test_storage_that_goes_away_under_a_job_is_told_and_loses_nothing(request, start, own_storage, which, how):
    from testbed.storage.shared_storage import shared_settings  # noqa: PLC0415 - beside the servers that it is of

    shared = shared_settings(*own_storage)
    services = [start(**shared, job_workers=1) for _ in range(2)]
    sent = httpx.post(f"{services[0].url}/v1/jobs", data={"model": "tiny"}, files=pictures(40), timeout=60)
    address = services[1].url + sent.headers["location"]
    wait_for(address, lambda job: job["progress"]["succeeded"] > 1)
    victim = own_storage[which]
    if how == "killed":
        victim.kill()
    else:
        frozen = [psutil.Process(victim.pid), *victim.family()]
        for process in frozen:
            process.suspend()
            request.addfinalizer(partial(resume, process))
    time.sleep(3)
    answer = httpx.post(services[0].url + PREDICT, content=encoded(noise(seed=99)), timeout=60)
    jobs = httpx.get(f"{services[0].url}/v1/jobs", timeout=60)
    if which == 0:
        assert answer.status_code == 200  # who waits needs no job
        assert (jobs.status_code, jobs.json()["code"]) == (503, "jobs_unavailable"), jobs.text
        assert ("PostgreSQL" if how == "killed" else "did not answer within 5 s") in jobs.json()["detail"]
        wait_for(f"{services[0].url}/readyz", lambda said: "jobs" in said["problems"])  # and ready all the same
    else:
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable"), answer.text
        assert "object store" in answer.json()["detail"]
        status = httpx.get(f"{services[0].url}/readyz", timeout=60)
        assert status.status_code == 503
        assert "object store" in status.json()["problems"]["storage"]
    if how == "killed":
        victim.start()
        victim.wait_ready()
    else:
        for process in frozen:
            resume(process)
    for service in services:
        ready(service)
    job = ended(address)
    assert job["progress"]["succeeded"] == 40
    assert len({image["result"] for image in job["images"]}) == 40


def test_callers_who_hang_up_leave_the_service_as_it_was(start, shared):
    service = start(**shared, job_workers=0)
    data = [encoded(noise(seed=100 + number)) for number in range(64)]

    def hang_up(content):
        try:
            httpx.post(service.url + PREDICT, content=content, timeout=0.02)
        except httpx.TimeoutException:
            return True
        return False

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(hang_up, data)) > 10
    ready(service)  # the store of a busy machine may have been slow meanwhile
    answer = httpx.post(service.url + PREDICT, content=encoded(noise(seed=7)), timeout=10)
    assert answer.status_code == 200, answer.text
