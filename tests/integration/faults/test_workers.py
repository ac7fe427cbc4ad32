"""Several worker processes of one frontend are one service: what is limited is limited for all of them together."""

import asyncio
import re

import httpx
import pytest

from testbed.http_callers import Callers, until

OK, REFUSED, TOO_MANY = 200, 503, 429
WORKERS = 3
PLACES = 4  # of a model whose batch is one


async def come(callers, count):
    """So many requests before a closed gate, each over a connection of its own, which whichever process takes.

    Returns the tasks when as many as can be let in at most are still under way, and all others have been answered.
    """
    known = len(callers.answers)
    tasks = [asyncio.create_task(callers.ask()) for _ in range(count)]

    async def settled():
        answered = len(callers.answers) - known  # first: what is answered meanwhile makes the sum smaller, not larger
        text = (await callers.http.get("/metrics")).text
        under_way = int(float(re.search(r"^oncoserve_in_flight (\S+)$", text, re.MULTILINE)[1])) - 1
        return answered + under_way == count and under_way < PLACES + WORKERS

    await until(settled)
    return tasks


@pytest.mark.long
async def test_places_are_counted_over_all_workers(start, server, gate):
    service = start(server.grpc_url, workers=WORKERS)
    async with Callers(service.url, "gated") as callers:
        tasks = await come(callers, 24)
        gate.open()
        await asyncio.gather(*tasks)
        let_in = len(callers.with_status(OK))
        # Processes that look at the same moment may both take the last place.
        assert PLACES <= let_in < PLACES + WORKERS
        assert len(callers.with_status(REFUSED)) == 24 - let_in
        assert (await callers.ask()).status == OK


async def test_workers_that_die_leave_no_place_taken(start, server, gate):
    service = start(server.grpc_url, workers=WORKERS)
    async with Callers(service.url, "gated") as callers:
        tasks = await come(callers, PLACES)
        killed = service.processes("frontend.serving")
        assert len(killed) == WORKERS
        for each in killed:
            each.kill()
        assert {each.status for each in await asyncio.gather(*tasks)} == {0}
        gate.open()

        async def all_places_are_free():
            if not await asyncio.to_thread(service.is_ready):
                return False
            gate.close()
            tasks = await come(callers, PLACES)
            gate.open()
            return {each.status for each in await asyncio.gather(*tasks)} == {OK}

        await until(all_places_are_free)


@pytest.mark.long
async def test_requests_are_counted_over_all_workers(start, server):
    service = start(server.grpc_url, workers=WORKERS, rate_limit_per_min=10)

    async def ask():
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
            return (await http.get("/v1/models")).status_code

    answers = await asyncio.gather(*(ask() for _ in range(30)))
    assert answers.count(TOO_MANY) == 20, answers
