"""Callers for the fault tests: each request is another picture, and each answer is kept."""

import asyncio
import itertools
import time
from dataclasses import dataclass

import httpx

from tests.pictures import encoded, noise

SIZE = 16


@dataclass
class Answer:
    """What a caller met: status 0 is a connection that broke."""

    status: int
    began: float
    seconds: float
    code: str | None = None
    retry_after: str | None = None
    text: str = ""


class Callers:
    """Asks one frontend, or the proxy before it, over HTTP."""

    _seeds = itertools.count()  # a picture met before would be answered from the store

    def __init__(self, url, model="slow"):
        self.path = f"/v1/models/{model}/predict"
        # One connection each, as callers behind different addresses have it.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.http = httpx.AsyncClient(base_url=url, timeout=60, limits=limits)
        self.answers = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.http.aclose()

    @classmethod
    def picture(cls, size=SIZE):
        return encoded(noise((size, size), next(cls._seeds)))

    async def ask(self, content=None, **headers):
        """One request; keyword arguments are headers, `_` for `-`."""
        content = content or self.picture()
        began = time.monotonic()
        try:
            response = await self.http.post(
                self.path, content=content, headers={name.replace("_", "-"): value for name, value in headers.items()}
            )
        except httpx.TransportError as error:
            answer = Answer(0, began, time.monotonic() - began, text=repr(error))
        else:
            code = response.json().get("code")
            retry_after = response.headers.get("retry-after")
            answer = Answer(response.status_code, began, time.monotonic() - began, code, retry_after, response.text)
        self.answers.append(answer)
        return answer

    async def keep_asking(self, until, pause_s=0.0, **headers):
        """One caller after another answer asks again, until `until` (an asyncio.Event) is set."""
        while not until.is_set():
            answer = await self.ask(**headers)
            await asyncio.sleep(pause_s if answer.status == 200 else max(pause_s, 0.02))

    async def arrive(self, rate, seconds, **headers):
        """Requests at a fixed rate, whatever becomes of the ones before; returns when all are answered."""
        async with asyncio.TaskGroup() as group:
            start = time.monotonic()
            for number in range(round(rate * seconds)):
                await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
                group.create_task(self.ask(**headers))

    def with_status(self, *statuses):
        return [each for each in self.answers if each.status in statuses]


async def until(condition, seconds):
    """Wait for an awaitable condition, and fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.05)
