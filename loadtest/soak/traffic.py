"""A mixed load: new pictures, results again, files made of results, bad input, the page, and calls to Triton itself."""

import asyncio
import contextlib
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
import numpy as np
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from loadtest.chaos.hangups import EXPECTED, PHASES, HangingUp
from loadtest.shared.answer_checks import Model, tensor_fault, upload_fault
from loadtest.shared.distinct_uploads import EncodedPicture, Pictures
from loadtest.shared.model_mix import choose
from testbed.picture_files.raw_png import png_header

SIDES: Final = (240, 512, 1024)
"""Pictures of up to a megapixel: what a run stores on disk stays below a gigabyte an hour and a core."""

PAGES: Final = ("/", "/errors", "/docs", "/openapi.json", "/v1/models", "/v1/samples", "/livez", "/readyz", "/metrics")
REMEMBERED: Final = 50  # results that are asked for again
TOLD: Final = 20  # unexpected errors in words; more are counted
CONNECTION: Final = "none"  # in place of a status
AGAIN: Final = frozenset({503, 504})
PAUSE_S: Final = 0.5  # after a request that nobody answered: the next one would fail as quickly


@dataclass
class Tally:
    """What was asked and what came of it.

    Attributes:
        counts: Requests by kind and status.
        unexpected: What should not have happened, in words; the first ones only.
        unexpected_count: All of them.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    unexpected_count: int = 0

    def add(self, kind: str, status: str, wrong: str = "") -> None:
        """Count one request, with what is wrong about its answer."""
        self.counts[kind, status] += 1
        if wrong:
            self.blame(f"{kind}: {status}: {wrong}")

    def blame(self, what: str) -> None:
        """Remember something that should not have happened."""
        self.unexpected_count += 1
        if len(self.unexpected) < TOLD:
            self.unexpected.append(what)


@dataclass(frozen=True)
class BadInput:
    """A request that has to be refused with this status and code."""

    kind: str
    path: str
    data: bytes
    status: int
    code: str


class Traffic:
    """Sends the mix, one request after the other per caller.

    Args:
        http: To the frontend.
        direct: To Triton.
        models: What is served.
        seed: Decides everything that is drawn.

    Attributes:
        tally: What came of it.
        troubled: Whether somebody hurts the service on purpose at the moment: that it does not answer, or asks to try
            again, is then no surprise. A wrong answer is.
    """

    def __init__(
        self, http: httpx.AsyncClient, direct: triton.InferenceServerClient, models: Sequence[Model], seed: int
    ) -> None:
        self._http, self._direct, self._models = http, direct, list(models)
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._generator = np.random.default_rng(seed)
        self._pictures = {task: Pictures(seed, task, SIDES) for task in {each.task for each in models}}
        self._uploads: deque[tuple[Model, EncodedPicture]] = deque(maxlen=REMEMBERED)
        self._results: deque[dict[str, str]] = deque(maxlen=REMEMBERED)
        self._bad = bad_inputs(self._models[0].name, self._pictures[self._models[0].task].next())
        self.tally = Tally()
        self.troubled = False
        address = http.base_url
        self._leaving = HangingUp(address.host, address.port or 80, self._models, direct, self._random)

    async def run(self, callers: int, seconds: float) -> None:
        """Send for so long with so many callers at once."""
        mix: dict[Callable[[], Awaitable[None]], int] = {
            self._predict: 30,
            self._predict_again: 15,
            self._read: 10,
            self._draw: 15,
            self._send_bad_input: 15,
            self._read_page: 10,
            self._call_triton: 15,
            self._hang_up: 10,
        }
        until = asyncio.get_running_loop().time() + seconds

        async def call() -> None:
            while asyncio.get_running_loop().time() < until:
                (action,) = self._random.choices([*mix], [*mix.values()])
                await action()

        # Everything once: the memory that it needs then is no leak.
        for model in self._models:
            await self._predict(model)
        for action in mix:
            await action()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(call())

    async def _predict(self, model: Model | None = None) -> None:
        model = model or choose(self._models, self._random)
        picture = self._pictures[model.task].next()
        links = await self._upload(model, picture, "miss")
        if links:
            self._uploads.append((model, picture))
            self._results.append(links)

    async def _predict_again(self) -> None:
        if self._uploads:
            await self._upload(*self._random.choice(self._uploads), cache="hit")

    async def _upload(self, model: Model, picture: EncodedPicture, cache: str) -> dict[str, str]:
        """Upload as the page does it, and return the result's links; none when something was wrong."""
        answer = await self._ask(
            f"predict {model.name}, {'new' if cache == 'miss' else 'again'}",
            f"/v1/models/{model.name}/predict",
            files={"image": ("picture", picture.data, picture.media_type)},
            check=lambda answer: upload_fault(answer.text, answer.headers.get("Cache-Status", ""), model, cache),
        )
        return dict(answer.json()["links"]) if answer is not None else {}

    async def _read(self) -> None:
        if self._results:
            await self._ask("result", self._random.choice(self._results)["self"])

    async def _draw(self) -> None:
        """One of the files that are made of a result."""
        if self._results:
            links = self._random.choice(self._results)
            files = sorted(links.keys() - {"self", "model"})
            if files:
                name = self._random.choice(files)
                await self._ask(name, links[name])

    async def _send_bad_input(self) -> None:
        bad = self._random.choice(self._bad)
        await self._ask(
            bad.kind,
            bad.path,
            content=bad.data,
            status=bad.status,
            check=lambda answer: "" if answer.json()["code"] == bad.code else f"code is {answer.json()['code']!r}",
        )

    async def _read_page(self) -> None:
        await self._ask("page and models", self._random.choice(PAGES))

    async def _call_triton(self) -> None:
        model = choose(self._models, self._random)
        inputs = []
        for name, array in model.random_inputs(self._generator).items():
            inputs.append(triton.InferInput(name, list(array.shape), "UINT8"))
            inputs[-1].set_data_from_numpy(array)
        kind = f"gRPC {model.name}"
        try:
            answer = await self._direct.infer(model.name, inputs, client_timeout=60)
        except InferenceServerException as error:
            self.tally.add(kind, str(error.status()), "" if self.troubled else error.message())
            return
        faults = (tensor_fault(answer.as_numpy(each.name), each) for each in model.outputs)
        self.tally.add(kind, "OK", "; ".join(filter(None, faults)))

    async def _hang_up(self) -> None:
        phase = self._random.choice(PHASES)
        with contextlib.suppress(*EXPECTED):
            await self._leaving.phases[phase]()
        self.tally.add(f"hung up, {phase}", CONNECTION)

    async def _ask(
        self,
        kind: str,
        path: str,
        *,
        status: int = 200,
        check: Callable[[httpx.Response], str] = lambda _: "",
        content: bytes | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> httpx.Response | None:
        """GET, or POST when there is a body; returns the answer when nothing is wrong with it."""
        try:
            method = "GET" if content is None and files is None else "POST"
            answer = await self._http.request(method, path, content=content, files=files)
            wrong = check(answer) if answer.status_code == status else f"expected {status}: {answer.text[:200]}"
        except (httpx.HTTPError, ValueError, KeyError) as error:
            self.tally.add(kind, CONNECTION, "" if self.troubled else repr(error))
            await asyncio.sleep(PAUSE_S)
            return None
        excused = self.troubled and answer.status_code in AGAIN
        self.tally.add(kind, str(answer.status_code), "" if excused else wrong)
        return None if wrong else answer


def bad_inputs(model: str, good: EncodedPicture) -> list[BadInput]:
    """What a careless or hostile caller sends."""
    predict = f"/v1/models/{model}/predict"
    return [
        BadInput("empty upload", predict, b"", 400, "empty_upload"),
        BadInput("text as a picture", predict, b"not a picture", 415, "unsupported_image"),
        BadInput("picture cut off", predict, good.data[: len(good.data) // 2], 422, "corrupt_image"),
        BadInput("header of a bomb", predict, png_header(100_000, 100_000), 413, "image_too_large"),
        BadInput("unknown parameter", f"{predict}?colour=red", good.data, 422, "invalid_parameter"),
        BadInput("unknown model", "/v1/models/no_such_model/predict", good.data, 404, "model_not_found"),
    ]
