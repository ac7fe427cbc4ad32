"""The frontend is told to stop while it works."""

import asyncio
import signal
import time

import pytest

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


@pytest.mark.long
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


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 3])
async def test_who_was_let_in_is_answered(server, start, workers):
    """Callers who keep their connection, callers who come anew, and slow answers, all over the moment of the stop."""
    service = start(server.grpc_url, workers=workers)
    stop = asyncio.Event()
    async with Callers(service.url, "tiny") as steady, Callers(service.url, "slow") as slow:
        met = []
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(steady.keep_asking(stop, 0.02))
            for _ in range(2):
                group.create_task(slow.keep_asking(stop))
            for _ in range(20):
                group.create_task(keep_coming(service.port, met))
            await until(lambda: asyncio.sleep(0, len(met) > 40 and len(slow.with_status(200)) > 4))
            service.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(service.wait) == 0
            stop.set()
    assert set(met) == {b"HTTP/1.1 200"}
    broken = [each.text for each in steady.answers + slow.answers if each.status != 200]
    assert [text for text in broken if not text.startswith("ConnectError")] == [], "let in and not answered"


async def keep_coming(port, met):
    """Come anew again and again, ask a moment later, and note the beginning of the answer, until the door is closed."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        await asyncio.sleep(0.1)
        met.append(await answered(reader, writer))


async def answered(reader, writer):
    """Ask on a connection; the beginning of the answer, or how it broke."""
    writer.write(b"GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    try:
        answer = await reader.read()
    except ConnectionError as error:
        answer = repr(error).encode()
    writer.close()
    return answer[:12]


@pytest.mark.long
async def test_who_waits_to_be_let_in_is_answered(server, start):
    """Nobody accepts connections until the service has been told to stop."""
    service = start(server.grpc_url, workers=2)
    serving = service.processes("frontend.serving")
    for each in serving:
        each.send_signal(signal.SIGSTOP)
    waiting = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(20)]
    asking = [asyncio.create_task(answered(*each)) for each in waiting]
    service.process.send_signal(signal.SIGTERM)

    async def is_closed():
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", service.port), 0.3)
        except (TimeoutError, ConnectionRefusedError):
            return True
        writer.close()
        return False

    await until(is_closed)
    for each in serving:
        each.send_signal(signal.SIGCONT)
    assert set(await asyncio.gather(*asking)) == {b"HTTP/1.1 200"}
    assert await asyncio.to_thread(service.wait) == 0


@pytest.mark.long
async def test_what_does_not_end_in_time_is_told_so(server, start, gate):
    service = start(server.grpc_url, workers=2, shutdown_grace_s=1)
    async with Callers(service.url, "gated") as callers:
        asked = [asyncio.create_task(callers.ask()) for _ in range(4)]
        await callers.all_in(4)
        assert await asyncio.to_thread(service.stop) == 0
        answers = await asyncio.gather(*asked)
    assert {(each.status, each.code, each.retry_after) for each in answers} == {(503, "shutting_down", "1")}
