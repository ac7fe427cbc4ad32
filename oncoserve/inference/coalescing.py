"""Inference requests that are ready at the same moment are sent to the server as one.

Most of what a small request costs, on both ends of the gRPC call, does not depend on how many pictures it holds. One
call for each of the model's instances leaves at once, and one more that is ready when the first has finished; what
comes while these are under way waits here and leaves together.
No request is held back for others: there is no delay to tune, and a single one is sent as it is. Triton's dynamic
batching joins what arrives from several frontends.

A call that was sent is never cancelled, also when all its callers have gone: Triton 2.51 can die of calls that are
cancelled, or reach their deadline, just as they are answered (docs/security.md). It keeps its place until it is over,
so that callers who hang up cannot pile up work; what still waits here is dropped with its caller.
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

CALL_S = 120.0  # at least, for one that hangs; callers are told much earlier


class CoalescingBackend:
    """The inference server port in front of another one.

    Args:
        server: where the joint requests go.
    """

    def __init__(self, server: InferenceBackend) -> None:
        self._server = server
        self._limits: dict[tuple[str, str], tuple[int, int]] = {}
        self._queues: dict[tuple[str, str, tuple[str, ...]], _Queue] = {}

    async def models(self) -> Sequence[ModelState]:
        """See the port."""
        return await self._server.models()

    async def configuration(self, model: str, version: str) -> ModelConfiguration:
        """See the port."""
        configuration = await self._server.configuration(model, version)
        self._limits[model, version] = configuration.max_batch_size, configuration.instances + 1
        return configuration

    async def infer(
        self, model: str, version: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Tensors:
        """Run the model on one batch, perhaps together with others; see the port."""
        limits = self._limits.get((model, version), (1, 2))
        key = (model, version, tuple(outputs))
        queue = self._queues.get(key)
        if queue is None or queue.limits != limits:
            queue = self._queues[key] = _Queue(self._server, *key, limits)
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
        context: what its task knows, such as the span that the call belongs to.
    """

    inputs: Mapping[str, NDArray[Any]]
    timeout_s: float
    answer: asyncio.Future[Tensors]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class _Queue:
    """What waits for one model, version and set of outputs.

    Args:
        server: where the calls go.
        model, version, outputs: what is asked.
        limits: rows of a batch, and calls under way at once.
    """

    def __init__(
        self, server: InferenceBackend, model: str, version: str, outputs: tuple[str, ...], limits: tuple[int, int]
    ) -> None:
        self.limits = limits
        self._server = server
        self._asked = (model, version, outputs)
        self._waiting: deque[_Request] = deque()
        self._calls: set[asyncio.Task[None]] = set()

    async def ask(self, inputs: Mapping[str, NDArray[Any]], timeout_s: float) -> Tensors:
        request = _Request(inputs, timeout_s, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._send()
        try:
            async with asyncio.timeout(timeout_s):
                return await request.answer
        except TimeoutError:
            raise DeadlineExceeded(self._asked[0], timeout_s) from None
        finally:
            request.answer.cancel()  # does nothing to an answer that has arrived
            del request  # it has the error, whose traceback has this frame: such a circle would keep the inputs

    def _send(self) -> None:
        while len(self._calls) < self.limits[1] and (together := self._take()):
            task = together[0].context.run(asyncio.ensure_future, self._call(together))
            self._calls.add(task)
            task.add_done_callback(self._returned)

    def _take(self) -> list[_Request]:
        together: list[_Request] = []
        rows = 0
        while self._waiting:
            request = self._waiting[0]
            if not request.answer.done():
                rows += _rows(request.inputs)
                if together and rows > self.limits[0]:
                    break
                together.append(request)
            self._waiting.popleft()
        return together

    def _returned(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        self._send()

    async def _call(self, together: list[_Request]) -> None:
        inputs = _joined([request.inputs for request in together])
        # Later than all callers', since a deadline is such an end too.
        timeout_s = max(CALL_S, *(2 * request.timeout_s for request in together))
        try:
            answers = await self._server.infer(*self._asked[:2], inputs, self._asked[2], timeout_s)
            self._check(answers, _rows(inputs))
        except Exception as error:  # noqa: BLE001 - whatever it is, each caller gets it
            for request in together:
                if not request.answer.done():
                    request.answer.set_exception(error)
            del request, together  # the error's traceback has this frame, which must not lead back to the error
            return
        first = 0
        for request in together:
            last = first + _rows(request.inputs)
            if not request.answer.done():
                own = {name: array[first:last] for name, array in answers.items()} if len(together) > 1 else answers
                request.answer.set_result(own)
            first = last

    def _check(self, answers: Tensors, rows: int) -> None:
        if self.limits[0] > 1 and any(array.shape[:1] != (rows,) for array in answers.values()):
            raise InferenceFailed(self._asked[0])  # it is unknown which rows belong to whom


def _rows(inputs: Mapping[str, NDArray[Any]]) -> int:
    return len(next(iter(inputs.values())))


def _joined(parts: list[Mapping[str, NDArray[Any]]]) -> Mapping[str, NDArray[Any]]:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
