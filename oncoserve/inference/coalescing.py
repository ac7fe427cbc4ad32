"""Inference requests that are ready at the same moment are sent to the server as one.

Most of what a small request costs, on both ends of the gRPC call, does not depend on how many pictures it holds. Up to
`CALLS_IN_FLIGHT` calls per model leave at once; what comes while these are under way waits here and leaves together.
No request is held back for others: there is no delay to tune, and a single one is sent as it is. Triton's dynamic
batching joins what arrives from several frontends.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oncoserve.errors import DeadlineExceeded, InferenceFailed
from oncoserve.inference.backend import CanaryAnswer, InferenceBackend, ModelConfiguration, ModelState, Tensors

CALLS_IN_FLIGHT = 2  # one that the server executes, and one that is ready when it has finished


class CoalescingBackend:
    """The inference server port in front of another one.

    Args:
        server: where the joint requests go.
    """

    def __init__(self, server: InferenceBackend) -> None:
        self._server = server
        self._max_batch_sizes: dict[tuple[str, str], int] = {}
        self._queues: dict[tuple[str, str, tuple[str, ...]], _Queue] = {}

    async def models(self) -> Sequence[ModelState]:
        """See the port."""
        return await self._server.models()

    async def configuration(self, model: str, version: str) -> ModelConfiguration:
        """See the port."""
        configuration = await self._server.configuration(model, version)
        self._max_batch_sizes[model, version] = configuration.max_batch_size
        return configuration

    async def infer(
        self, model: str, version: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Tensors:
        """Run the model on one batch, perhaps together with others; see the port."""
        room = self._max_batch_sizes.get((model, version), 1)
        if room < 2 * _rows(inputs):  # no second one of this size would fit
            return await self._server.infer(model, version, inputs, outputs, timeout_s)
        key = (model, version, tuple(outputs))
        queue = self._queues.get(key)
        if queue is None or queue.room != room:
            queue = self._queues[key] = _Queue(self._server, *key, room)
        return await queue.ask(inputs, timeout_s)

    async def canary(
        self, model: ModelConfiguration, inputs: Mapping[str, NDArray[Any]], *, full: bool, timeout_s: float
    ) -> CanaryAnswer:
        """See the port."""
        return await self._server.canary(model, inputs, full=full, timeout_s=timeout_s)

    async def close(self) -> None:
        """See the port."""
        await self._server.close()


@dataclass(eq=False)
class _Request:
    """One that waits, or is under way with others.

    Attributes:
        until: when its time is over, by the event loop's clock.
        context: what its task knows, such as the span that the call belongs to.
        call: the call that it is sent with, as soon as there is one.
    """

    inputs: Mapping[str, NDArray[Any]]
    until: float
    answer: asyncio.Future[Tensors]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    call: "_Call | None" = None


class _Queue:
    """What waits for one model, version and set of outputs."""

    def __init__(self, server: InferenceBackend, model: str, version: str, outputs: tuple[str, ...], room: int) -> None:
        self.room = room
        self._server = server
        self._asked = (model, version, outputs)
        self._waiting: deque[_Request] = deque()
        self._calls = 0

    async def ask(self, inputs: Mapping[str, NDArray[Any]], timeout_s: float) -> Tensors:
        if self._calls < CALLS_IN_FLIGHT:  # then no other request is waiting that could be sent with it
            return await self._ask_alone(inputs, timeout_s)
        loop = asyncio.get_running_loop()
        request = _Request(inputs, loop.time() + timeout_s, loop.create_future())
        self._waiting.append(request)
        self._send()
        try:
            async with asyncio.timeout_at(request.until):
                return await request.answer
        except TimeoutError:
            raise DeadlineExceeded(self._asked[0], timeout_s) from None
        finally:
            request.answer.cancel()  # does nothing to an answer that has arrived
            if request.call is not None:
                request.call.end_if_nobody_waits()

    async def _ask_alone(self, inputs: Mapping[str, NDArray[Any]], timeout_s: float) -> Tensors:
        self._calls += 1
        try:
            answers = await self._server.infer(*self._asked[:2], inputs, self._asked[2], timeout_s)
        finally:
            self._calls -= 1
            self._send()
        self._check(answers, _rows(inputs))
        return answers

    def _send(self) -> None:
        while self._calls < CALLS_IN_FLIGHT and (together := self._take()):
            self._calls += 1
            task = together[0].context.run(asyncio.ensure_future, self._call(together))
            call = _Call(task, together)
            for request in together:
                request.call = call
            task.add_done_callback(self._returned)

    def _take(self) -> list[_Request]:
        together: list[_Request] = []
        rows = 0
        while self._waiting:
            request = self._waiting[0]
            if not request.answer.done():
                rows += _rows(request.inputs)
                if rows > self.room:
                    break
                together.append(request)
            self._waiting.popleft()
        return together

    def _returned(self, task: "asyncio.Task[None]") -> None:
        del task
        self._calls -= 1
        self._send()

    async def _call(self, together: list[_Request]) -> None:
        inputs = _joined([request.inputs for request in together])
        patience_s = max(request.until for request in together) - asyncio.get_running_loop().time()
        try:
            answers = await self._server.infer(*self._asked[:2], inputs, self._asked[2], patience_s)
            self._check(answers, _rows(inputs))
        except Exception as error:  # noqa: BLE001 - whatever it is, each caller gets it
            for request in together:
                if not request.answer.done():
                    request.answer.set_exception(error)
            return
        first = 0
        for request in together:
            last = first + _rows(request.inputs)
            if not request.answer.done():
                request.answer.set_result({name: array[first:last] for name, array in answers.items()})
            first = last

    def _check(self, answers: Tensors, rows: int) -> None:
        if any(array.shape[:1] != (rows,) for array in answers.values()):
            raise InferenceFailed(self._asked[0])  # it is unknown which rows belong to whom


@dataclass(frozen=True)
class _Call:
    """Requests under way together."""

    task: "asyncio.Task[None]"
    together: list[_Request]

    def end_if_nobody_waits(self) -> None:
        """Let the server stop when every caller has gone."""
        if all(request.answer.done() for request in self.together):
            self.task.cancel()  # does nothing to one that is over


def _rows(inputs: Mapping[str, NDArray[Any]]) -> int:
    return len(next(iter(inputs.values())))


def _joined(parts: list[Mapping[str, NDArray[Any]]]) -> Mapping[str, NDArray[Any]]:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
