"""Uploads and jobs whose right answers are known, and what came of them."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httpx

from loadtest.shared.distinct_uploads import EncodedPicture
from testbed.encoded_pictures import encoded, noise

PATIENCE_S: Final = 10.0  # of a caller, for one answer
JOB_PATIENCE_S: Final = 30.0
ENDED: Final = frozenset({"SUCCEEDED", "PARTIAL", "FAILED", "EXPIRED"})
TOLD: Final = 10  # faults in words; more are counted

RIGHT, REFUSED, DROPPED, WRONG, BROKEN = "right", "refused", "dropped", "wrong", "broken"


@dataclass
class Judgement:
    """What came of the requests of one round.

    Attributes:
        counts: Requests by what came of them: `right`; `refused`, 503 with Retry-After or 504; `dropped`, no answer
            at all; `wrong`, another answer than before; `broken`, any other status.
        told: Wrong and broken ones in words.
    """

    counts: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def add(self, verdict: str, text: str = "") -> str:
        """Count one."""
        self.counts[verdict] += 1
        if text and verdict in {WRONG, BROKEN} and len(self.told) < TOLD:
            self.told.append(text)
        return verdict


class Asker:
    """Asks models about pictures whose answers it knows from before the faults.

    Args:
        url: The frontend's address.
        models: Names of classifiers.
        seed: Decides pictures and order.
    """

    def __init__(self, url: str, models: Sequence[str], seed: int) -> None:
        self._url, self.models = url, list(models)
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._pictures = [EncodedPicture(encoded(noise((80, 70), seed + number)), "image/png") for number in range(4)]
        self._expected: dict[tuple[str, int], list[object]] = {}
        self.kept: dict[str, tuple[str, int]] = {}  # addresses of results, some of them, and what they have to say
        self.now = Judgement()

    def client(self) -> httpx.AsyncClient:
        """A caller with a connection of its own for each request: it meets every process, and none of them twice."""
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.AsyncClient(base_url=self._url, timeout=PATIENCE_S, limits=limits)

    async def learn(self) -> None:
        """Ask everything once, before any fault."""
        async with self.client() as http:
            for model in self.models:
                for number, picture in enumerate(self._pictures):
                    answer = await http.post(f"/v1/models/{model}/predict", content=picture.data)
                    self._expected[model, number] = _said(answer.raise_for_status().json())
                    self.kept[answer.json()["links"]["self"]] = (model, number)

    async def upload(self, http: httpx.AsyncClient, model: str) -> str:
        """A new picture; returns what came of it."""
        number, picture = self._draw()
        try:
            answer = await http.post(f"/v1/models/{model}/predict", content=picture.data)
        except httpx.HTTPError as error:
            return self.now.add(DROPPED, repr(error))
        return self._judge(answer, (model, number), f"upload to {model}")

    async def read_kept(self, http: httpx.AsyncClient) -> str:
        """A result from before the faults."""
        address = self._random.choice([*self.kept])
        try:
            answer = await http.get(address)
        except httpx.HTTPError as error:
            return self.now.add(DROPPED, repr(error))
        return self._judge(answer, self.kept[address], f"result {address}")

    async def submit(self, http: httpx.AsyncClient) -> tuple[str, tuple[str, int]] | None:
        """A job of one image; its address and what it has to say, or None where it was not accepted."""
        model = self._random.choice(self.models)
        number, picture = self._draw()
        files = [("images", ("picture.png", picture.data, picture.media_type))]
        try:
            answer = await http.post("/v1/jobs", data={"model": model}, files=files)
        except httpx.HTTPError as error:
            self.now.add(DROPPED, repr(error))
            return None
        if answer.status_code == HTTPStatus.ACCEPTED:
            self.now.add(RIGHT)
            return answer.headers["location"], (model, number)
        self._judge(answer, (model, number), "job")
        return None

    def agrees(self, document: Mapping[str, Any], key: tuple[str, int]) -> bool:
        """Whether a result says what was said before the faults."""
        return _said(document) == self._expected[key]

    def _draw(self) -> tuple[int, EncodedPicture]:
        number = self._random.randrange(len(self._pictures))
        return number, self._pictures[number].with_comment(f"{time.time_ns()} {self._random.random()}")

    def _judge(self, answer: httpx.Response, key: tuple[str, int], what: str) -> str:
        status = answer.status_code
        if status == HTTPStatus.OK:
            right = self.agrees(answer.json(), key)
            return self.now.add(RIGHT if right else WRONG, f"{what}: {answer.text[:200]}")
        waiting = status == HTTPStatus.SERVICE_UNAVAILABLE and "retry-after" in answer.headers
        if waiting or status == HTTPStatus.GATEWAY_TIMEOUT:
            return self.now.add(REFUSED)
        return self.now.add(BROKEN, f"{what}: {status} {answer.text[:200]}")


def _said(document: Mapping[str, Any]) -> list[object]:
    """What a result says about its picture, whichever the task, rounded: batches of other sizes add up otherwise."""
    told = {name: document.get(name) for name in ("label", "probabilities", "areas")}
    return [round(each, 3) if isinstance(each, float) else each for each in _flat(told)]


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield name
            yield from _flat(value[name])
    else:
        yield value


@dataclass
class JobLedger:
    """Every job that was accepted, and what has to come of it.

    Attributes:
        open: Address -> what its image has to say; those that have not ended yet.
        ended: Number of jobs that ended with the right result.
        failed, lost, wrong: In words.
    """

    open: dict[str, tuple[str, int]] = field(default_factory=dict)
    ended: int = 0
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def accept(self, job: tuple[str, tuple[str, int]] | None) -> str | None:
        """Note an accepted job; gives its address."""
        if job is None:
            return None
        self.open[job[0]] = job[1]
        return job[0]

    async def look(self, http: httpx.AsyncClient, asker: Asker, address: str) -> bool:
        """Whether the job has ended, of which this takes note."""
        try:
            answer = await http.get(address)
            if answer.status_code == HTTPStatus.NOT_FOUND:
                if self.open.pop(address, None):
                    self.lost.append(f"{address}: {answer.status_code}")
                return True
            if answer.status_code != HTTPStatus.OK or (job := answer.json())["state"] not in ENDED:
                return False
            (image,) = job["images"]
            result = None
            if image["state"] == "SUCCEEDED":
                result = await http.get(image["links"]["result"])
                if result.status_code != HTTPStatus.OK:
                    return False
        except (httpx.HTTPError, json.JSONDecodeError):
            return False
        key = self.open.pop(address, None)
        if key is None:
            return True  # somebody else who looked has noted it meanwhile
        if result is None:
            self.failed.append(f"{address}: {job['state']} {image['error']}")
        elif not asker.agrees(result.json(), key):
            self.wrong.append(f"{address}: {result.text[:200]}")
        else:
            self.ended += 1
        return True

    async def settle(self, http: httpx.AsyncClient, asker: Asker, within_s: float) -> None:
        """Wait until every accepted job has ended; those that do not are lost."""
        deadline = time.monotonic() + within_s
        while self.open and time.monotonic() < deadline:
            for address in [*self.open]:
                await self.look(http, asker, address)
            await asyncio.sleep(0.5)
        self.lost += [f"{address}: has not ended" for address in self.open]


def ended_twice(log: str) -> list[str]:
    """The images that more than one worker says it has ended, by the service's log."""
    ends: Counter[str] = Counter()
    for line in log.splitlines():
        if line.startswith("{") and '"image ended"' in line:
            told = json.loads(line)
            ends[f"{told['job']} {told.get('index')}"] += 1
    return [each for each, count in ends.items() if count > 1]
