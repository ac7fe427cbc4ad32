"""Callers who hang up: in every phase of a request, over HTTP and straight to Triton, and with short deadlines."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import numpy as np
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from loadtest.shared.answer_checks import Model
from testbed.encoded_pictures import encoded, scan

CALLERS: Final = 200
PHASES: Final = ("head", "body", "waiting", "working", "reading", "deadline", "drawing", "jobs", "gRPC")
LONGEST_S: Final = 0.3  # from the end of a request to its caller's end
SIDE, LARGE_SIDE = 64, 1200
EXPECTED: Final = (OSError, InferenceServerException, asyncio.IncompleteReadError)


async def hang_up(url: str, grpc_url: str, seconds: float, callers: int = CALLERS, seed: int = 0) -> Counter[str]:
    """Let so many callers ask and hang up, again and again, each in another phase than before.

    Args:
        url: The frontend's address.
        grpc_url: Triton's gRPC service, host:port.
        seconds: For how long.
        callers: At once.
        seed: Decides phases and times.

    Returns:
        Number of hang-ups by phase.
    """
    address = urlsplit(url)
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    met: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=url) as http, triton.InferenceServerClient(grpc_url) as direct:
        listed = (await http.get("/v1/models")).raise_for_status().json()["models"]
        models = [Model.from_document(each) for each in listed]
        caller = HangingUp(str(address.hostname), address.port or 80, models, direct, chance)

        async def call(first: int) -> None:
            for number in itertools.count(first):
                phase = PHASES[number % len(PHASES)]
                with contextlib.suppress(*EXPECTED):
                    await caller.phases[phase]()
                    met[phase] += 1
                await asyncio.sleep(chance.uniform(0, LONGEST_S))

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for number in range(callers):
                    group.create_task(call(number))
    return met


class HangingUp:
    """A caller who hangs up.

    Args:
        host: The frontend's.
        port: The frontend's.
        models: What is served.
        direct: To Triton.
        chance: Decides times.

    Attributes:
        phases: By its name, what it does until it hangs up; raises one of EXPECTED where it is hung up on.
    """

    def __init__(
        self, host: str, port: int, models: Sequence[Model], direct: triton.InferenceServerClient, chance: random.Random
    ) -> None:
        self._host, self._port, self._models = host, port, models
        self._direct, self._chance = direct, chance
        # Not compressed: as many bytes as pixels, so that there is a middle to hang up in.
        self._small, self._large = (
            encoded(scan((side, side)).convert("RGB"), compress_level=0) for side in (SIDE, LARGE_SIDE)
        )
        self._numbers = itertools.count()
        self._generator = np.random.default_rng(0)
        self.phases: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "head": lambda: self._send(lambda: self._request(self._small)[:40]),
            "body": lambda: self._send(lambda: self._request(self._large)[: -len(self._large) // 2]),
            "waiting": lambda: self._send(lambda: self._request(self._small)),
            "working": lambda: self._send(lambda: self._request(self._large), wait=True),
            "reading": lambda: self._send(lambda: b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", read=100),
            "deadline": lambda: self._send(lambda: self._request(self._small, self._deadline()), read=100),
            "drawing": lambda: self._send(lambda: self._request(self._small, "Accept: image/png\r\n"), wait=True),
            "jobs": lambda: self._send(lambda: self._request(self._large, "Prefer: respond-async\r\n")[:-100]),
            "gRPC": self._cancel,
        }

    async def _send(self, made: Callable[[], bytes], *, wait: bool = False, read: int = 0) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(made())
            await writer.drain()
            if wait:
                await asyncio.sleep(self._chance.uniform(0, LONGEST_S))
            if read:
                await reader.read(read)
        finally:
            writer.transport.abort()

    def _request(self, picture: bytes, header: str = "") -> bytes:
        # What follows a PNG's last chunk is read over, so each is another file.
        body = picture + b"%d %f" % (next(self._numbers), self._chance.random())
        path = f"/v1/models/{self._chance.choice(self._models).name}/predict"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def _deadline(self) -> str:
        return f"Request-Timeout: {self._chance.uniform(0.01, LONGEST_S):.3f}\r\n"

    async def _cancel(self) -> None:
        model = self._chance.choice(self._models)
        inputs = []
        for name, array in model.random_inputs(self._generator).items():
            inputs.append(triton.InferInput(name, list(array.shape), "UINT8"))
            inputs[-1].set_data_from_numpy(array)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0, LONGEST_S)):
                await self._direct.infer(model.name, inputs)
