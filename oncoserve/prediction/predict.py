"""The use case: one picture from bytes to a stored result. Every front door calls it and repeats none of its steps."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from oncoserve.inference.backend import InferenceBackend, Tensors
from oncoserve.pictures.decode import Picture, decode
from oncoserve.pictures.scrub import without_metadata
from oncoserve.prediction.admission import Admission, Lane
from oncoserve.prediction.caller import Caller
from oncoserve.prediction.question import Question
from oncoserve.results.gallery import Entry
from oncoserve.results.store import PICTURE, ResultStore
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.timings import Timings
from oncoserve.tasks.base import Parameters, Plan, ServedModel, Stored

Read = Callable[[], Awaitable[tuple[bytes, Parameters]]]
"""Fetches the picture, encoded, and the parameters of the model's task. Called once, when the model has room."""


@dataclass(frozen=True)
class Limits:
    """What one picture may cost.

    Attributes:
        max_image_pixels: width times height.
        infer_timeout_s: seconds that one inference request may take.
        max_tiles_in_flight: inference requests of one picture at once.
    """

    max_image_pixels: int
    infer_timeout_s: float
    max_tiles_in_flight: int


@dataclass(frozen=True)
class Answer:
    """A result on its way out.

    Attributes:
        entry: the result as it was stored, ready to be drawn.
        cached: whether it was there already, so that no inference was needed.
    """

    entry: Entry
    cached: bool

    @property
    def id(self) -> str:
        """The result's id."""
        return str(self.entry.document["id"])


class Predict:
    """Bytes in, stored result out: admission, deadline, laps, inference, storage, and the count of what was done.

    Args:
        backend: the inference server.
        store: where results are kept.
        admission: who may come in.
        threads: where the CPU's work is done.
        metrics: where predictions are counted.
        limits: what one picture may cost.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        store: ResultStore,
        admission: Admission,
        threads: CpuThreads,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._backend = backend
        self._store = store
        self._admission = admission
        self._threads = threads
        self._metrics = metrics
        self._limits = limits

    async def predict(self, model: ServedModel, read: Read, timings: Timings, caller: Caller | None = None) -> Answer:
        """Answer one upload; the same upload again by the same owner is answered from the store.

        Args:
            model: what to ask.
            read: gives the picture and its parameters. Not called where the model has no room.
            timings: gets a lap per stage, the first of them `receive`.
            caller: who asks, how urgently, and for how long. Work in the background waits, as long as it takes, while
                interactive requests are under way. Each inference request gets what is left until the deadline.

        Raises:
            PlatformError: every kind of 4xx for the picture, 5xx for the servers; TooBusy before anything is read,
                DeadlineExceeded when the caller's time is over.
        """
        caller = caller or Caller()
        async with caller.deadline.enforce(model.name):
            self._admission.check(model, caller.lane, caller.deadline.remaining_s())
            self._store.disk.check()
            data, parameters = await read()
            timings.lap("receive")
            question = Question(model, data, parameters)
            with self._admission.place(model, caller.lane, caller.deadline.remaining_s()):
                await self._admission.give_way(model, caller.lane)
                answer = await self._answer(question, timings, caller)
                if caller.lane is Lane.BACKGROUND:  # a job's picture is deleted next, so its result has to stay
                    await self._threads.run(self._store.of(caller.owner).sync, answer.id)
        self._metrics.predictions.labels(model.name, "store" if answer.cached else "inference").inc()
        return answer

    async def _answer(self, question: Question, timings: Timings, caller: Caller) -> Answer:
        model, results = question.model, self._store.of(caller.owner)
        opened = await self._threads.run(self._open, question, results, timings)
        if isinstance(opened, bytes):
            return Answer(Entry(json.loads(opened), model, results), cached=True)
        picture, plan, requests = opened
        await self._infer(plan, requests, partial(self._ask, model, plan.outputs, caller))
        timings.lap("infer")
        fresh = await self._threads.run(self._finish, question, results, picture, plan, timings)
        timings.lap("store")
        return Answer(Entry(fresh.document, model, results, fresh), cached=False)

    def _open(self, question: Question, results: ResultStore, timings: Timings) -> "bytes | _Opened":
        """The stored document, or else everything up to the inference. Does CPU work; called from a thread."""
        timings.lap("queue")
        stored = results.find(question.id)
        timings.lap("lookup")
        if stored is not None:
            return stored
        background = question.model.card.preprocessing.background
        picture = decode(question.data, self._limits.max_image_pixels, background)
        timings.lap("decode")
        plan = question.model.task.plan(picture, question.model, question.parameters)
        requests = plan.requests()
        # Made here, so that a picture with one request needs no further change of threads.
        first = list(itertools.islice(requests, 1))
        timings.lap("preprocess")
        return picture, plan, itertools.chain(first, requests)

    async def _infer(
        self, plan: Plan, requests: Iterator[Tensors], ask: Callable[[Tensors], Awaitable[Tensors]]
    ) -> None:
        if plan.count == 1:
            plan.accept(0, await ask(next(requests)))
            return
        numbered = enumerate(requests)
        taking, accepting = asyncio.Lock(), asyncio.Lock()

        async def work() -> None:
            while True:
                async with taking:
                    index, tensors = await self._threads.run(next, numbered, (None, None))
                if index is None or tensors is None:
                    return
                answer = await ask(tensors)
                async with accepting:
                    await self._threads.run(plan.accept, index, answer)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._limits.max_tiles_in_flight, plan.count)):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # one answer can carry one error; the others were cancelled

    async def _ask(self, model: ServedModel, outputs: Sequence[str], caller: Caller, tensors: Tensors) -> Tensors:
        async with self._admission.inference(model, caller.lane):
            timeout_s = min(self._limits.infer_timeout_s, caller.deadline.remaining_s())
            return await self._backend.infer(model.name, model.version, tensors, outputs, timeout_s)

    def _finish(
        self, question: Question, results: ResultStore, picture: Picture, plan: Plan, timings: Timings
    ) -> Stored:
        """Store the result. What was stored stays in memory, for whoever wants it drawn at once."""
        found = plan.result()
        clean = without_metadata(question.data, picture)
        timings.lap("postprocess")
        document = question.document(found, picture, timings.rounded())
        results.save(question.id, json.dumps(document).encode(), {**found.artefacts, PICTURE: clean})
        return Stored(document, found.artefacts, question.model.card, lambda: picture)


_Opened = tuple[Picture, Plan, Iterator[Tensors]]
