"""What a caller says about itself."""

import asyncio
import math

import pytest
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from frontend.http import caller_headers as callers
from oncoserve.errors import InvalidParameter
from oncoserve.prediction.admission import Lane
from testbed.fakes import let_others_run


@pytest.mark.parametrize(
    ("priority", "background"),
    [
        (None, False), ("", False), ("u=3", False), ("u=5", False), ("u=6", True), ("u=7", True), ("i, u=7", True),
        ("u=7, i", True), ("u=7;x=1,i", True), ("u=70", False), ("u=8", False), ("xu=7", False), ("u=-7", False),
        ("u=seven", False), ("\x00,,,", False),
    ],
)  # fmt: skip
def test_urgency(priority, background):
    headers = Headers({} if priority is None else {"priority": priority})
    assert callers.lane(headers) is (Lane.BACKGROUND if background else Lane.INTERACTIVE)


@pytest.mark.parametrize(("given", "seconds"), [(None, math.inf), ("5", 5), ("0.25", 0.25), ("3600", 3600)])
def test_request_timeout(given, seconds):
    assert callers.timeout_s(Headers({} if given is None else {"request-timeout": given})) == seconds


@pytest.mark.parametrize("given", ["", "0", "-1", "nan", "inf", "soon", "1e3", "3601", "1,5", "1 ", "\xb2", "0" * 999])
def test_request_timeout_that_is_none(given):
    with pytest.raises(InvalidParameter, match="Request-Timeout"):
        callers.timeout_s(Headers(raw=[(b"request-timeout", given.encode("latin-1"))]))


def request(*messages):
    """A request whose connection has these messages to come, and then stays silent."""
    coming = list(messages)

    async def receive():
        await asyncio.sleep(0)
        if not coming:
            await asyncio.Event().wait()
        return {"type": coming.pop(0)}

    return Request({"type": "http", "headers": []}, receive)


async def test_hanging_up_cancels_the_work():
    cancelled = asyncio.Event()

    async def work(listen):
        listen()
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(ClientDisconnect):
        async with callers.while_connected(request("http.request", "http.disconnect")) as listen:
            await work(listen)
    assert cancelled.is_set()
    await asyncio.sleep(0)  # would raise, were the task still being cancelled


async def test_who_stays_is_not_disturbed():
    before = len(asyncio.all_tasks())
    async with callers.while_connected(request("http.request")) as listen:
        listen()
        await let_others_run()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before


async def test_errors_and_cancellation_from_elsewhere_pass():
    async def fail():
        async with callers.while_connected(request()) as listen:
            listen()
            raise KeyError

    with pytest.raises(KeyError):
        await fail()

    async def work():
        async with callers.while_connected(request()) as listen:
            listen()
            await asyncio.sleep(5)

    task = asyncio.create_task(work())
    await let_others_run()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
