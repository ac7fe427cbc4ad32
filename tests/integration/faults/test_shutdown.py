"""The frontend is told to stop while it works."""

import asyncio
import signal
import time

from testbed.http_callers import Callers, until
from tests.integration.faults.proxy import Proxy

DRAIN_S = 2


async def is_leaving(callers):
    """Whether the frontend says that it stops; asked on new connections, so that all of its workers are."""
    asked = [await callers.http.get("/readyz", headers={"Connection": "close"}) for _ in range(8)]
    said = [(ready.status_code, ready.json().get("problems")) for ready in asked]
    return all(each == (503, {"frontend": "shutting down"}) for each in said)


async def test_not_ready_first_and_what_runs_is_finished(server, start):
    """With one process and with two, side by side."""
    services = await start_side_by_side(start, [{"workers": 1}, {"workers": 2}], server.grpc_url, drain_s=DRAIN_S)
    await asyncio.gather(*map(leaves_in_order, services))


async def start_side_by_side(start, each, *arguments, **settings):
    return await asyncio.gather(*(asyncio.to_thread(start, *arguments, **settings, **own) for own in each))


async def leaves_in_order(service):
    stop = asyncio.Event()
    async with Callers(service.url) as callers, asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(callers.keep_asking(stop))
        await until(lambda: asyncio.sleep(0, len(callers.with_status(200)) > 3))
        service.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        await until(lambda: is_leaving(callers))
        response = await callers.http.post(callers.path, content=callers.picture(), headers={"Priority": "u=0"})
        assert (response.status_code, response.headers["connection"]) == (200, "close")
        # Requests late in the time of listening have to be finished, too.
        await asyncio.sleep(max(0, told + DRAIN_S / 2 - time.monotonic()))
        stop.set()
    assert await asyncio.to_thread(service.wait) == 0
    assert time.monotonic() - told > DRAIN_S
    assert {each.status for each in callers.answers} == {200}


async def test_a_second_signal_does_not_wait(server, start):
    service = start(server.grpc_url, drain_s=60)
    async with Callers(service.url) as callers:
        service.process.send_signal(signal.SIGTERM)
        await until(lambda: is_leaving(callers))
    assert service.process.poll() is None
    told = time.monotonic()
    assert await asyncio.to_thread(service.stop, signal.SIGTERM) == 0
    assert time.monotonic() - told < 30


async def test_a_rolling_restart_loses_nothing(server, start):
    services = await start_side_by_side(start, [{}, {}], server.grpc_url, drain_s=1)
    stop = asyncio.Event()
    async with (
        Proxy([each.port for each in services]) as proxy,
        Callers(proxy.url, "tiny") as quick,
        Callers(proxy.url, "slow") as slow,
    ):
        await until(lambda: asyncio.sleep(0, all(proxy.ready.values())))
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(quick.keep_asking(stop, 0.02))
            for _ in range(2):
                group.create_task(slow.keep_asking(stop))
            for service in services:
                await asyncio.to_thread(service.stop)
                await asyncio.to_thread(service.start)
                await asyncio.to_thread(service.wait_ready)
                await until(lambda port=service.port: asyncio.sleep(0, proxy.ready[port]))
                met = proxy.forwarded[service.port]
                await until(lambda port=service.port, met=met: asyncio.sleep(0, proxy.forwarded[port] > met + 5))
            stop.set()
    lost = [each for each in quick.answers + slow.answers if each.status != 200]
    assert lost == []
    assert len(quick.answers) > 50
