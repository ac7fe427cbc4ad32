"""The frontend is told to stop while it works."""

import asyncio
import signal
import time

import pytest

from tests.integration.faults.load import Callers, until
from tests.integration.faults.proxy import Proxy


@pytest.mark.parametrize("workers", [1, 2])
async def test_not_ready_first_and_what_runs_is_finished(server, start, workers):
    service = start(server.grpc_url, drain_s=1.5, workers=workers)
    stop = asyncio.Event()
    async with Callers(service.url) as callers, asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(callers.keep_asking(stop))
        await until(lambda: asyncio.sleep(0, len(callers.with_status(200)) > 3), 10)
        service.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        await asyncio.sleep(0.5)
        unready = await callers.http.get("/readyz")
        assert (unready.status_code, unready.json()["problems"]) == (503, {"frontend": "shutting down"})
        response = await callers.http.post(callers.path, content=callers.picture(), headers={"Priority": "u=0"})
        assert (response.status_code, response.headers["connection"]) == (200, "close")
        # One request more at the very end of listening has to be finished, too.
        await asyncio.sleep(max(0, told + 1.3 - time.monotonic()))
        stop.set()
    assert await asyncio.to_thread(service.wait, 15) == 0
    assert time.monotonic() - told > 1.5
    assert {each.status for each in callers.answers} == {200}


async def test_a_second_signal_does_not_wait(server, start):
    service = start(server.grpc_url, drain_s=60)
    service.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    assert service.process.poll() is None
    assert await asyncio.to_thread(service.stop, signal.SIGTERM, 15) == 0


async def test_a_rolling_restart_loses_nothing(server, start):
    services = [start(server.grpc_url, drain_s=1) for _ in range(2)]
    stop = asyncio.Event()
    async with (
        Proxy([each.port for each in services]) as proxy,
        Callers(proxy.url, "tiny") as quick,
        Callers(proxy.url, "slow") as slow,
    ):
        await until(lambda: asyncio.sleep(0, all(proxy.ready.values())), 10)
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(quick.keep_asking(stop, 0.02))
            for _ in range(2):
                group.create_task(slow.keep_asking(stop))
            for service in services:
                await asyncio.to_thread(service.stop)
                await asyncio.to_thread(service.start)
                await asyncio.to_thread(service.wait_ready)
                await until(lambda port=service.port: asyncio.sleep(0, proxy.ready[port]), 10)
                met = proxy.forwarded[service.port]
                await until(lambda port=service.port, met=met: asyncio.sleep(0, proxy.forwarded[port] > met + 5), 10)
            stop.set()
    lost = [each for each in quick.answers + slow.answers if each.status != 200]
    assert lost == []
    assert len(quick.answers) > 50
