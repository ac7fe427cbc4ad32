"""A model that cannot answer is not ready within 5 s, whatever it suffers; one that is merely busy stays ready."""

import asyncio
import contextlib
import os
import signal
import time

import httpx
import pytest

from testbed.http_callers import Callers, until
from testbed.servers import TritonServer
from testbed.timed_model import Gate, write_sleeper
from testbed.tiny_models import write_classifier
from tests.integration.faults.wire import Wire

IN_TIME_S = 5.0


def look(service):
    """The readiness of a frontend: its status, and the models' problems."""
    answer = httpx.get(f"{service.url}/readyz", timeout=60)
    return answer.status_code, answer.json()["problems"]


async def problems_of(service, *models):
    """The problems, when exactly these models have some, and the seconds until then."""
    began, found = time.monotonic(), {}

    async def told():
        status, problems = await asyncio.to_thread(look, service)
        found.update(problems)
        return status == 503 and problems.keys() == set(models)

    await until(told)
    return found, time.monotonic() - began


async def ready(service):
    return (await asyncio.to_thread(look, service)) == (200, {})


def process_of(triton, model):
    """The process that computes a model."""
    stubs = (each for each in triton.family() if each.name() == "triton_python_backend_stub")
    return next(stub for stub in stubs if any(f"/{model}/" in word for word in stub.cmdline()))


@contextlib.contextmanager
def held(pid):
    """A process that is stopped for the length of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.alone
async def test_a_process_of_a_model_that_is_killed_and_one_that_is_frozen(embedded_triton, tmp_path, start):
    models = tmp_path / "models"
    for name in ("killed", "frozen", "well"):
        write_classifier(models, name)
    with TritonServer(models, tmp_path) as triton:
        service = start(triton.grpc_url, model_repository=models)
        with held(triton.pid):  # the launcher, so that nobody brings a process back meanwhile
            await lose_two(triton, service)
        async with Callers(service.url, "killed") as callers:
            triton.end()
            triton.start()
            triton.wait_ready()
            await until(lambda: ready(service))
            assert (await callers.ask()).status == 200


async def lose_two(triton, service):
    """One process is killed, one frozen; a third goes on."""
    process_of(triton, "killed").kill()
    process_of(triton, "frozen").send_signal(signal.SIGSTOP)
    problems, seconds = await problems_of(service, "killed", "frozen")
    assert seconds < IN_TIME_S
    assert {"has ended or hangs" in each for each in problems.values()} == {True}
    async with Callers(service.url, "killed") as callers, Callers(service.url, "well") as others:
        answer = await callers.ask()
        assert (answer.status, answer.code) == (503, "model_not_ready")
        assert "has ended or hangs" in answer.text
        assert int(answer.retry_after) >= 1
        assert answer.seconds < 1
        assert (await others.ask()).status == 200
        metrics = (await callers.http.get("/metrics")).text
        assert 'oncoserve_model_ready{model="killed"} 0.0' in metrics
        assert 'oncoserve_model_ready{model="well"} 1.0' in metrics
        assert 'oncoserve_canary_failures_total{model="killed"} 0.0' not in metrics


@pytest.mark.long
async def test_a_model_that_answers_nonsense(start, only_tiny):
    with Wire() as wire:
        service = start(wire.grpc_url, ready_url="/livez", model_repository=only_tiny)
        wire.answer_with("NaN")
        problems, seconds = await problems_of(service, "tiny")
        assert seconds < IN_TIME_S
        assert problems["tiny"] == "it fails on a picture of noise"
        wire.answer_with("truth")
        await until(lambda: ready(service))


@pytest.mark.long
async def test_nonsense_under_load(start, only_tiny):
    """Each answer comes, so none of them may count as a sign of life."""
    with Wire() as wire:
        service = start(wire.grpc_url, model_repository=only_tiny)
        stop = asyncio.Event()
        async with Callers(service.url, "tiny") as callers, asyncio.TaskGroup() as group:
            group.create_task(callers.keep_asking(stop))
            wire.answer_with("NaN")
            _, seconds = await problems_of(service, "tiny")
            stop.set()
        assert seconds < IN_TIME_S
        assert {each.code for each in callers.answers[-1:]} <= {"inference_failed", "model_not_ready"}


@pytest.mark.long
async def test_a_model_that_hangs_and_goes_on(embedded_triton, tmp_path, start):
    models, gate = tmp_path / "models", Gate(tmp_path)
    write_sleeper(models, "hanging", 0.01, gate=gate, longest_s=0.01)
    write_sleeper(models, "busy", 6.0)
    with TritonServer(models, tmp_path) as triton:
        service = start(triton.grpc_url, model_repository=models)
        async with Callers(service.url, "hanging") as callers, Callers(service.url, "busy") as others:
            working = asyncio.create_task(others.ask())
            await others.all_in(1)
            gate.close()
            waiting = asyncio.create_task(callers.ask())
            problems, seconds = await problems_of(service, "hanging")
            assert seconds < IN_TIME_S
            assert "gave no answer" in problems["hanging"]
            refused = await callers.ask()
            assert (refused.status, refused.code) == (503, "model_not_ready")
            while not working.done():  # the busy one stays ready for as long as it works
                assert (await asyncio.to_thread(look, service))[1].keys() <= {"hanging"}
            gate.open()
            assert ((await waiting).status, (await working).status) == (200, 200)
            await until(lambda: ready(service))
