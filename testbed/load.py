"""Callers for fault and overload measurements: each request is another picture, and each answer is kept."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Self

import httpx

from testbed.pictures import encoded, noise


@dataclass
class Answer:
    """What a caller met: status 0 is a connection that broke; times are those of time.monotonic()."""

    status: int
    began: float
    seconds: float
    code: str | None = None
    retry_after: str | None = None
    text: str = ""

    @property
    def ended(self) -> float:
        return self.began + self.seconds


class Callers:
    """Asks one model of one frontend, or of the proxy before it, over HTTP.

    Args:
        url: the frontend's address.
        model: the model.
        size: width and height of the pictures, in pixels.
    """

    _seeds = itertools.count()  # a picture met before would be answered from the store

    def __init__(self, url: str, model: str = "slow", size: int = 16) -> None:
        self.path = f"/v1/models/{model}/predict"
        self.size = size
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.http = httpx.AsyncClient(base_url=url, timeout=60, limits=limits)
        self.answers: list[Answer] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    def picture(self) -> bytes:
        return bytes(encoded(noise((self.size, self.size), next(self._seeds))))

    async def ask(self, content: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request."""
        content = content or self.picture()
        began = time.monotonic()
        try:
            response = await self.http.post(self.path, content=content, headers=headers)
        except httpx.TransportError as error:
            answer = Answer(0, began, time.monotonic() - began, text=repr(error))
        else:
            seconds = time.monotonic() - began
            code = response.json().get("code")
            retry_after = response.headers.get("retry-after")
            answer = Answer(response.status_code, began, seconds, code, retry_after, response.text)
        self.answers.append(answer)
        return answer

    async def keep_asking(
        self, until: asyncio.Event, pause_s: float = 0.0, headers: Mapping[str, str] | None = None
    ) -> None:
        """One caller, who asks again after each answer until the event is set; waits a moment when refused."""
        while not until.is_set():
            answer = await self.ask(headers=headers)
            await asyncio.sleep(pause_s if answer.status == httpx.codes.OK else max(pause_s, 0.02))

    async def arrive(self, rate: float, seconds: float) -> None:
        """Requests at a fixed rate, whatever becomes of the ones before; returns when all are answered."""
        pictures = [self.picture() for _ in range(round(rate * seconds))]  # drawn now, to be on time then
        async with asyncio.TaskGroup() as group:
            start = time.monotonic()
            for number, picture in enumerate(pictures):
                await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
                group.create_task(self.ask(picture))

    async def all_in(self, count: int) -> None:
        """Wait until the frontend works on so many requests; the one that asks is not counted."""

        async def arrived() -> bool:
            text = (await self.http.get("/metrics")).text
            return f"\noncoserve_in_flight {count + 1}.0\n" in text

        await until(arrived)

    def with_status(self, *statuses: int) -> list[Answer]:
        return [each for each in self.answers if each.status in statuses]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Wait for a condition, and fail after so many seconds: long enough for any machine."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.05)
