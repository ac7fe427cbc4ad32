"""Triton dies, freezes, is slow, answers nonsense, or lacks a model: what callers of the frontend meet."""

import asyncio
import signal
import time

import pytest

from testbed.http_callers import Callers, until
from testbed.servers import TritonServer
from testbed.tiny_models import write_classifier
from tests.integration.faults.wire import Wire
from tests.integration.supervised import backend_of, restarts

RIGHT_AGAIN_S = 30


async def answered(callers, picture):
    return (await callers.ask(picture)).status == 200


async def ready(service):
    return await asyncio.to_thread(service.is_ready)


@pytest.mark.long
async def test_killed_under_load_and_back(embedded_triton, repository, tmp_path, start):
    with TritonServer(repository, tmp_path) as triton:
        service = start(triton.grpc_url, poll_interval_s=0.2)
        stop = asyncio.Event()
        async with Callers(service.url) as callers, asyncio.TaskGroup() as group:
            stored = callers.picture()
            await until(lambda: answered(callers, stored))
            for _ in range(3):  # four at once are all that the model has room for, and one place is for `stored`
                group.create_task(callers.keep_asking(stop))
            await until(lambda: asyncio.sleep(0, len(callers.with_status(200)) >= 4))
            triton.triton_process().kill()
            killed = time.monotonic()
            await until(lambda: asyncio.sleep(0, callers.with_status(503)))
            assert await answered(callers, stored)  # needs no Triton
            back = killed + RIGHT_AGAIN_S
            await until(lambda: asyncio.sleep(0, any(each.began > killed for each in callers.with_status(200)[-4:])))
            await until(lambda: ready(service))
            assert time.monotonic() < back
            stop.set()
        assert {each.status for each in callers.answers} == {200, 503}
        assert all(each.retry_after for each in callers.with_status(503))
        hit = [each for each in callers.answers if each.began < killed < each.ended]
        assert hit
        assert max(each.ended for each in hit) - killed < 10  # the deadline is 30 s


@pytest.mark.parametrize("signum", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.long)])
async def test_a_backend_lost_under_load_and_back(embedded_triton, repository, tmp_path, start, signum):
    """Its callers get 503 until it is back; those of the other models notice nothing."""
    with TritonServer(repository, tmp_path) as triton:
        service = start(triton.grpc_url, poll_interval_s=0.2)
        stop = asyncio.Event()
        callers, others = Callers(service.url), Callers(service.url, "tiny")
        async with callers, others, asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(callers.keep_asking(stop))
            group.create_task(others.keep_asking(stop, pause_s=0.05))
            await until(lambda: asyncio.sleep(0, len(callers.with_status(200)) >= 4))
            backend_of(triton, "slow").send_signal(signum)
            lost = time.monotonic()
            await until(lambda: asyncio.sleep(0, callers.with_status(503)))
            await until(lambda: asyncio.sleep(0, any(each.began > lost + 1 for each in callers.with_status(200))))
            await until(lambda: ready(service))
            assert time.monotonic() - lost < RIGHT_AGAIN_S
            stop.set()
        assert {each.status for each in callers.answers} == {200, 503}
        assert all(each.retry_after for each in callers.with_status(503))
        assert {each.status for each in others.answers} == {200}


async def test_frozen_and_replaced(embedded_triton, repository, tmp_path, start):
    with TritonServer(repository, tmp_path) as triton:
        service = start(triton.grpc_url, infer_timeout_s=3, poll_interval_s=0.2)
        async with Callers(service.url, "tiny") as callers:
            assert (await callers.ask()).status == 200
            triton.triton_process().send_signal(signal.SIGSTOP)
            frozen = time.monotonic()
            looking = asyncio.create_task(callers.http.get("/readyz"))
            answers = await asyncio.gather(
                *(callers.ask() for _ in range(3)), callers.ask(headers={"Request-Timeout": "1"})
            )
            assert {(each.status, each.code) for each in answers} == {(504, "deadline_exceeded")}
            *by_setting, by_caller = [each.seconds for each in answers]
            assert 1 <= by_caller < 2.5
            assert all(3 <= each < 6 for each in by_setting)
            assert (await callers.http.get("/livez")).status_code == 200
            unready = await looking
            assert (unready.status_code, unready.json()["ready"]) == (503, False)
            assert "does not answer" in unready.json()["problems"]["inference_server"]
            await until(lambda: asyncio.sleep(0, restarts(triton) == {("triton", "hung"): 1}))
            await until(lambda: ready(service))
            assert (await callers.ask()).status == 200
            assert time.monotonic() - frozen < RIGHT_AGAIN_S


@pytest.fixture(scope="module")
def wire():
    with Wire() as running:
        yield running


async def test_garbage_is_502_and_the_service_lives(wire, start, only_tiny):
    service = start(wire.grpc_url, model_repository=only_tiny)
    async with Callers(service.url, "tiny") as callers:
        for kind in wire.NONSENSE:
            wire.answer_with(kind)
            answer = await callers.ask()
            assert (answer.status, answer.code) == (502, "inference_failed"), (kind, answer)
        wire.answer_with("truth")
        assert (await callers.ask()).status == 200


@pytest.mark.long
async def test_slow_answers_end_at_the_deadline(wire, start, only_tiny):
    service = start(wire.grpc_url, model_repository=only_tiny, infer_timeout_s=1)
    async with Callers(service.url, "tiny") as callers:
        wire.answer_with("truth", delay_s=0.2)
        assert (await callers.ask()).status == 200
        wire.answer_with("truth", delay_s=30)
        answer = await callers.ask()
        assert (answer.status, answer.code) == (504, "deadline_exceeded")
        assert 1 <= answer.seconds < 5
    assert wire.cancelled == 0  # Triton can die of it


async def test_one_model_fails_to_load_while_the_other_serves(embedded_triton, tmp_path, start):
    models = tmp_path / "models"
    write_classifier(models, "tiny")
    broken = write_classifier(models, "broken")
    (broken / "1" / "model.onnx").write_bytes(b"no model")
    triton = TritonServer(models, tmp_path, exit_on_error="false")
    triton.ready_url = triton.ready_url.replace("/readyz", "/livez")
    with triton:
        service = start(triton.grpc_url, model_repository=models, ready_url="/livez")
        async with Callers(service.url, "tiny") as callers, Callers(service.url, "broken") as others:
            assert (await callers.ask()).status == 200
            answer = await others.ask()
            assert (answer.status, answer.code) == (503, "model_not_ready")
            assert answer.retry_after is not None
            unready = (await callers.http.get("/readyz")).json()
            assert (unready["models"], list(unready["problems"])) == (["tiny"], ["broken"])
