"""What an endpoint of SageMaker is told when something is away, full, too large, unexpected or at its end."""

import asyncio
import io
import json
import zipfile

import pytest

from frontend.routes import invocations
from oncoserve.runtime.draining import Draining
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, Service

ATTRIBUTES, ZIP = "X-Amzn-SageMaker-Custom-Attributes", "application/zip"
MASKED = {"saliency": (4, 4)}


@pytest.fixture
def draining():
    return Draining()


@pytest.fixture
async def container(tmp_path, draining):
    """With one model, which has an overlay."""
    async with Service(tmp_path, FakeBackend(classifier(**MASKED)), draining, sagemaker=True) as running:
        yield running


@pytest.fixture
async def of_two(tmp_path):
    """With two models."""
    backend = FakeBackend(classifier(), classifier("other"))
    async with Service(tmp_path, backend, sagemaker=True, poll_interval_s=0.05) as running:
        yield running


async def invoke(service, attributes="model=tiny", accept=ZIP):
    headers = {"Accept": accept} | ({} if attributes is None else {ATTRIBUTES: attributes})
    return await service.http.post("/invocations", content=PNG, headers=headers)


def opened(answer):
    assert (answer.status_code, answer.headers["content-type"]) == (200, ZIP), answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert len(answer.content) == int(answer.headers["content-length"])
    return {each.filename: archive.read(each) for each in archive.infolist()}


def problem_in(answer):
    ((name, content),) = opened(answer).items()
    assert name == "problem.json"
    problem = json.loads(content)
    return problem["status"], problem["code"]


async def lost(service, model):
    """A model goes away, and the service has seen it."""
    service.backend.loaded.discard(model)
    await service.http.get("/readyz")


@pytest.mark.parametrize("in_memory", [2**23, 1])
async def test_the_whole_result_is_the_same_on_the_disk_and_none_of_it_stays(
    container, tmp_path, monkeypatch, in_memory
):
    monkeypatch.setattr(invocations, "IN_MEMORY_BYTES", in_memory)
    files = opened(await invoke(container))
    document = json.loads(files["result.json"])
    assert files.keys() == {"result.json", *document["files"].values()} > {"result.json"}
    drawn = await container.http.get(f"/v1/results/{document['id']}/overlay.png")
    assert files["overlay.png"] == drawn.content
    names = [path.name for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert [name for name in names if name.endswith(".zip")] == [f"{document['id']}.zip"]
    assert not [name for name in names if name.startswith("tmp")]


async def test_a_result_that_is_larger_than_the_settler_takes_is_told_with_the_limit(container, monkeypatch):
    monkeypatch.setattr(invocations, "MAX_BYTES", 500)
    answer = await invoke(container)
    assert problem_in(answer) == (413, "answer_too_large")
    assert "the limit is 500" in json.loads(opened(answer)["problem.json"])["detail"]
    assert (await invoke(container, accept="application/json")).status_code == 200


async def test_what_is_broken_off_at_the_end_is_told_in_the_archive(container, draining):
    """The server cancels what has not ended within the grace; a plain 503 would count against the picture."""
    container.backend.gate = asyncio.Event()
    asking = asyncio.create_task(invoke(container))
    while not container.backend.calls:
        await asyncio.sleep(0.01)
    draining.active = True
    assert (await container.http.get("/ping")).status_code == 503
    asking.cancel()
    assert problem_in(await asking) == (503, "shutting_down")
    assert asking.cancelling() == 0


async def test_what_is_cancelled_for_another_reason_stays_so(container):
    container.backend.gate = asyncio.Event()
    asking = asyncio.create_task(invoke(container))
    while not container.backend.calls:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_an_unexpected_error_is_in_the_log_though_the_status_is_200(container, monkeypatch, caplog):
    async def fail(*_):
        raise RuntimeError("the bug")

    monkeypatch.setattr(container.backend, "infer", fail)
    answer = await invoke(container)
    assert problem_in(answer) == (500, "internal_error")
    assert "the bug" not in opened(answer)["problem.json"].decode()
    (record,) = [each for each in caplog.records if each.getMessage() == "unexpected error"]
    assert "the bug" in str(record.exc_info[1])
    assert record.request_id == answer.headers["x-request-id"]


async def test_parameters_in_a_form_are_told_where_they_belong(container):
    form = {"files": {"image": PNG}, "data": {"window": "1"}}
    headers = {ATTRIBUTES: "model=tiny", "Accept": ZIP}
    refused = opened(await container.http.post("/invocations", headers=headers, **form))
    detail = json.loads(refused["problem.json"])["detail"]
    assert detail.startswith(f"Parameters are given in {ATTRIBUTES} here, not in a form.")


async def test_who_names_no_model_never_gets_that_of_the_other_that_is_away(of_two):
    assert problem_in(await invoke(of_two, None)) == (422, "invalid_parameter")
    await lost(of_two, "tiny")
    assert problem_in(await invoke(of_two, None)) == (422, "invalid_parameter")
    assert problem_in(await invoke(of_two, "model=tiny")) == (503, "model_not_ready")
    assert "result.json" in opened(await invoke(of_two, "model=other"))


async def test_who_names_no_model_while_nothing_is_known_is_told_to_come_again(tmp_path):
    backend = FakeBackend(classifier())
    backend.reachable = False
    async with Service(tmp_path, backend, sagemaker=True) as running:
        assert problem_in(await invoke(running, None)) == (503, "inference_unavailable")
        assert (await running.http.get("/ping")).status_code == 503


async def test_an_endpoint_is_well_when_its_own_model_is(tmp_path):
    backend = FakeBackend(classifier(), classifier("other"))
    async with Service(tmp_path, backend, sagemaker=True, job_models="tiny") as running:
        assert (await running.http.get("/ping")).status_code == 200
        await lost(running, "other")
        assert (await running.http.get("/ping")).status_code == 200
        assert "result.json" in opened(await invoke(running, None))
        await lost(running, "tiny")
        assert (await running.http.get("/ping")).status_code == 503


async def test_an_endpoint_of_all_models_is_well_when_all_are(of_two):
    assert (await of_two.http.get("/ping")).status_code == 200
    await lost(of_two, "other")
    assert (await of_two.http.get("/ping")).status_code == 503
