"""Several worker processes of one frontend are one service: what is limited is limited for all of them together."""

import asyncio

import httpx
import psutil
import pytest

from testbed.http_callers import Callers, until

OK, REFUSED, TOO_MANY = 200, 503, 429
WORKERS = 3
PLACES = 4  # of a model whose batch is one


def workers_of(service):
    """The worker processes; multiprocessing has a helper beside them."""
    children = psutil.Process(service.pid).children()
    return [each for each in children if any("spawn_main" in word for word in each.cmdline())]


async def ask_at_once(service, count):
    """So many requests, each over a connection of its own, which whichever process takes."""
    async with Callers(service.url, "slower") as callers:
        await asyncio.gather(*(callers.ask() for _ in range(count)))
        return callers


async def test_places_are_counted_over_all_workers(start, server):
    service = start(server.grpc_url, workers=WORKERS)
    callers = await ask_at_once(service, 24)
    let_in = len(callers.with_status(OK))
    # Processes that look at the same moment may both take the last place.
    assert PLACES <= let_in < PLACES + WORKERS
    assert len(callers.with_status(REFUSED)) == 24 - let_in
    assert (await ask_at_once(service, 1)).with_status(OK)


async def test_workers_that_die_leave_no_place_taken(start, server):
    service = start(server.grpc_url, workers=WORKERS)
    asking = asyncio.create_task(ask_at_once(service, PLACES))
    await asyncio.sleep(0.5)
    killed = workers_of(service)
    assert len(killed) == WORKERS
    for each in killed:
        each.kill()
    assert len((await asking).with_status(0)) == PLACES

    async def all_places_are_free():
        return service.is_ready() and len((await ask_at_once(service, PLACES)).with_status(OK)) == PLACES

    await until(all_places_are_free, 60)


@pytest.mark.parametrize("workers", [1, WORKERS])
async def test_requests_are_counted_over_all_workers(start, server, workers):
    service = start(server.grpc_url, workers=workers, rate_limit_per_min=10)

    async def ask():
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
            return (await http.get("/v1/models")).status_code

    answers = await asyncio.gather(*(ask() for _ in range(30)))
    assert answers.count(TOO_MANY) == 20, answers
