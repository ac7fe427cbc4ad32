"""Callers for fault and overload measurements: each request is another picture, and each answer is kept."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self

import httpx

from testbed.encoded_pictures import encoded, noise
from testbed.failures import NotInTime

FOREIGN_WORDS: Final = re.compile(
    r"object at 0x|BytesIO|<_io|<class|Traceback|\w(?:Error|Exception)\b|site-packages|PIL|zlib|/\w+\.py|(?<!\w)b'"
)
"""What a caller should never read: the words of a library, of Python, or the service's own paths."""
_PROBLEM: Final = "application/problem+json"
_PAUSE_S: Final = 0.02  # of a caller who was refused
_POLL_S: Final = 0.05
_CONDITION_S: Final = 60.0


@dataclass
class Reply:
    """What a caller met.

    Attributes:
        status: The HTTP status; 0 is a connection that broke.
        began: When it was asked, as time.monotonic().
        seconds: Until the answer, or the break.
        code: Of the problem document, if it is one.
        retry_after: The header.
        text: The body; for a connection that broke, how.
    """

    status: int
    began: float
    seconds: float
    code: str | None = None
    retry_after: str | None = None
    text: str = ""

    @property
    def ended(self) -> float:
        """When the answer came, as time.monotonic()."""
        return self.began + self.seconds


class Callers:
    """Asks one model of one frontend, or of the proxy before it, over HTTP.

    Args:
        url: The frontend's address.
        model: The model's name.
        size: Width and height of the pictures, in pixels.
    """

    def __init__(self, url: str, model: str = "slow", size: int = 16) -> None:
        self.path = f"/v1/models/{model}/predict"
        self.size = size
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.http = httpx.AsyncClient(base_url=url, timeout=60, limits=limits)
        self.answers: list[Reply] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    def picture(self) -> bytes:
        """A PNG that nobody sent before: one met before would be answered from the store."""
        return encoded(noise((self.size, self.size), secrets.randbits(63)))

    async def ask(self, content: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send one request, with a new picture if none is given, and keep its answer."""
        content = content or self.picture()
        began = time.monotonic()
        try:
            response = await self.http.post(self.path, content=content, headers=headers)
        except httpx.TransportError as error:
            answer = Reply(0, began, time.monotonic() - began, text=repr(error))
        else:
            seconds = time.monotonic() - began
            code = response.json()["code"] if response.headers.get("content-type") == _PROBLEM else None
            retry_after = response.headers.get("retry-after")
            answer = Reply(response.status_code, began, seconds, code, retry_after, response.text)
        self.answers.append(answer)
        return answer

    async def keep_asking(
        self, until: asyncio.Event, pause_s: float = 0.0, headers: Mapping[str, str] | None = None
    ) -> None:
        """One caller, who asks again after each answer until the event is set; waits a moment when refused."""
        while not until.is_set():
            answer = await self.ask(headers=headers)
            await asyncio.sleep(pause_s if answer.status == HTTPStatus.OK else max(pause_s, _PAUSE_S))

    async def arrive(self, rate: float, seconds: float) -> None:
        """Send requests at a fixed rate, whatever becomes of the ones before; return when all are answered.

        Args:
            rate: Requests per second.
            seconds: How long.
        """
        pictures = [self.picture() for _ in range(round(rate * seconds))]  # drawn now, to be on time then
        async with asyncio.TaskGroup() as group:
            start = time.monotonic()
            for number, picture in enumerate(pictures):
                await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
                group.create_task(self.ask(picture))

    async def all_in(self, count: int) -> None:
        """Wait until the frontend works on so many requests; the one that asks is not counted.

        Raises:
            NotInTime: They did not come.
        """

        async def arrived() -> bool:
            text = (await self.http.get("/metrics")).text
            return f"\noncoserve_in_flight {count + 1}.0\n" in text

        await until(arrived)

    def with_status(self, *statuses: int) -> list[Reply]:
        """The answers with one of these statuses, in the order in which they came."""
        return [each for each in self.answers if each.status in statuses]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = _CONDITION_S) -> None:
    """Wait for a condition; the default is long enough for any machine.

    Args:
        condition: Asked again and again.
        seconds: How long.

    Raises:
        NotInTime: It does not hold within that time.
    """
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() >= deadline:
            raise NotInTime(f"not within {seconds} s")
        await asyncio.sleep(_POLL_S)
