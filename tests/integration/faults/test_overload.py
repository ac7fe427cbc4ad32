"""More requests than the model can answer, callers who leave, and work in the background.

The models take their time by the clock, so that the bounds hold on a busy machine; docs/reliability.md has figures.
"""

import asyncio
import statistics
import time

import psutil
import pytest

from testbed.http_callers import Callers, until
from testbed.servers import FrontendServer

OK, REFUSED = 200, 503
BACKGROUND = {"Priority": "u=7"}


@pytest.fixture(scope="module")
def service(server, repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("overload")
    with FrontendServer(server.grpc_url, folder, model_repository=repository, results_dir=folder / "r") as running:
        yield running


@pytest.mark.alone
async def test_three_times_the_capacity(service):
    async with Callers(service.url) as callers:
        stop = asyncio.Event()
        asking = [asyncio.create_task(callers.keep_asking(stop)) for _ in range(4)]
        began = time.monotonic()
        await asyncio.sleep(1.5)
        stop.set()
        await asyncio.gather(*asking)
        capacity = len(callers.answers) / (time.monotonic() - began)
    resident = psutil.Process(service.serving_pid).memory_info().rss
    async with Callers(service.url) as callers:
        began = time.monotonic()
        await callers.arrive(3 * capacity, 2.5)
        goodput = len(callers.with_status(OK)) / (time.monotonic() - began)
    refused = callers.with_status(REFUSED)
    assert len(refused) + len(callers.with_status(OK)) == len(callers.answers)
    assert len(refused) > len(callers.answers) / 3
    assert {each.code for each in refused} == {"too_busy"}
    assert all(int(each.retry_after) >= 1 for each in refused)
    # At once: an answer waits for four that take a tenth of a second each.
    answered_s = [each.seconds for each in callers.with_status(OK)]
    assert statistics.median(each.seconds for each in refused) < max(0.2, statistics.median(answered_s) / 2)
    assert max(answered_s) < 3  # the last of all that came would wait for 5 s
    assert goodput > 0.7 * capacity
    assert psutil.Process(service.serving_pid).memory_info().rss - resident < 30 * 2**20


async def test_a_refused_upload_is_told_so_and_its_connection_goes_on(service):
    stop = asyncio.Event()
    async with Callers(service.url) as crowd, Callers(service.url, "slow") as caller, asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(crowd.keep_asking(stop))
        await until(lambda: asyncio.sleep(0, bool(crowd.with_status(REFUSED))))
        for _ in range(20):
            await caller.ask(bytes(5_000_000))
        stop.set()
    assert {each.status for each in caller.answers} <= {REFUSED, 415}  # never 0: a connection that was reset
    assert caller.with_status(REFUSED)


async def test_who_hangs_up_frees_the_place_and_is_not_computed_unless_sent(service, gate):
    async with Callers(service.url, "gated") as callers:
        staying = asyncio.create_task(callers.ask())
        await callers.all_in(1)
        leaving = [asyncio.create_task(callers.ask()) for _ in range(3)]
        await until(lambda: is_full(callers))
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await callers.all_in(1)
        following = [asyncio.create_task(callers.ask()) for _ in range(3)]
        await until(lambda: is_full(callers))
        passed = gate.passed
        gate.open()
        assert {each.status for each in await asyncio.gather(staying, *following)} == {OK}
        assert gate.passed - passed == 4 + 1  # of those who left only one, who had been sent: no call is cancelled


async def is_full(callers):
    """Whether a request is refused; one that is let in, since another is on its way to its place, is taken back."""
    asking = asyncio.create_task(callers.ask())
    await asyncio.wait([asking], timeout=0.5)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return not asking.cancelled() and asking.result().status == REFUSED


async def test_the_callers_own_deadline(service):
    async with Callers(service.url) as callers:
        for _ in range(3):
            await callers.ask()
        answer = await callers.ask(headers={"Request-Timeout": "0.05"})
        assert (answer.status, answer.code) == (504, "deadline_exceeded")
        # What would come too late behind the others is refused at once, not worked on.
        stop = asyncio.Event()
        asking = [asyncio.create_task(callers.keep_asking(stop)) for _ in range(3)]
        await asyncio.sleep(0.3)
        answer = await callers.ask(headers={"Request-Timeout": "0.3"})
        stop.set()
        await asyncio.gather(*asking)
        assert (answer.status, answer.code) == (REFUSED, "too_busy")


async def test_the_background_gives_way(service):
    async with Callers(service.url) as interactive, Callers(service.url) as background:
        for _ in range(4):
            await interactive.ask()
        alone = sorted(each.seconds for each in interactive.answers[1:])
        interactive.answers.clear()
        stop = asyncio.Event()
        crowd = [asyncio.create_task(background.keep_asking(stop, headers=BACKGROUND)) for _ in range(8)]
        await until(lambda: asyncio.sleep(0, bool(background.with_status(REFUSED))))
        for _ in range(6):
            await interactive.ask()
            done = len(background.with_status(OK))
            await until(lambda done=done: asyncio.sleep(0, len(background.with_status(OK)) > done))
        stop.set()
        await asyncio.gather(*crowd)
    assert {each.status for each in interactive.answers} == {OK}
    assert statistics.median(each.seconds for each in interactive.answers) < 3 * alone[-1] + 0.1
    assert {each.code for each in background.with_status(REFUSED)} == {"too_busy"}


async def test_interactive_callers_come_first(service, gate):
    """Four in the background came before, and all but the one that runs wait until the interactive ones are done."""
    async with Callers(service.url, "gated") as interactive, Callers(service.url, "gated") as background:
        earlier = [asyncio.create_task(background.ask(headers=BACKGROUND)) for _ in range(4)]
        await background.all_in(4)
        mine = [asyncio.create_task(interactive.ask()) for _ in range(2)]
        await interactive.all_in(6)
        gate.open()
        answers = await asyncio.gather(*earlier)
        mine = await asyncio.gather(*mine)
    assert {each.status for each in [*mine, *answers]} == {OK}
    assert sum(each.ended < max(each.ended for each in mine) for each in answers) <= 1
