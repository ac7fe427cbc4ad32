"""The use case: one picture from bytes to a stored result. Every front door calls it and repeats none of its steps."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, ParamSpec, TypeVar

from oncoserve.errors import ModelNotReady
from oncoserve.inference.backend import InferenceBackend, ModelConfiguration, Tensors
from oncoserve.pictures.decode import decode
from oncoserve.pictures.png_jpeg.scrub import without_metadata
from oncoserve.prediction.admission import Admission, Lane
from oncoserve.prediction.caller import Caller
from oncoserve.prediction.question import Question
from oncoserve.prediction.work import Opened, Sized, Work
from oncoserve.results.entry import Entry
from oncoserve.results.result_store import PICTURE, ResultStore
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.timings import Timings
from oncoserve.tasks.base import Plan, ServedModel, Stored
from oncoserve.tasks.parameters import PictureParameters

LEAST_TILES = 4  # so that a model that takes tiles one by one never waits for the next
QUICK_TO_HASH_BYTES = 2**20
"""A larger file is hashed in a thread of the CPU: the threads of the disk have a deadline."""
SMALL_BYTES = 8 * 2**20  # what a picture may take whose pixels are kept for drawing: a megapixel

P = ParamSpec("P")
T = TypeVar("T")
Read = Callable[[], Awaitable[tuple[bytes, PictureParameters]]]
"""Fetches the picture, encoded, and the parameters of the model's task. Called once, when the model has room."""


@dataclass(frozen=True)
class Limits:
    """What one picture may cost.

    Attributes:
        max_image_pixels: width times height.
        infer_timeout_s: seconds that one inference request may take.
        max_tiles_in_flight: inference requests of one picture at once; None for what fills the model's batches.
    """

    max_image_pixels: int
    infer_timeout_s: float
    max_tiles_in_flight: int | None = None

    def tiles_in_flight(self, model: ModelConfiguration) -> int:
        """Inference requests of one picture at once: a batch in each instance, one that is ready and one that gathers.

        Without the last, what comes back from a batch leaves again tile by tile, and a GPU computes half-empty batches.
        """
        return self.max_tiles_in_flight or max(LEAST_TILES, (model.instances + 2) * model.max_batch_size)


@dataclass(frozen=True)
class Answer:
    """A result on its way out.

    Attributes:
        entry: the result as it was stored, ready to be drawn.
        source: where it comes from: from inference, from the store, or from neither, where there was nothing to ask
            about in the picture.
    """

    entry: Entry
    source: Literal["inference", "store", "none"]

    @property
    def cached(self) -> bool:
        """Whether it was there already."""
        return self.source == "store"

    @property
    def id(self) -> str:
        """The result's id."""
        return str(self.entry.document["id"])


class Predict:
    """Bytes in, stored result out: admission, deadline, laps, inference, storage, and the count of what was done.

    Args:
        backend: the inference server.
        successor: the version that has taken a model's place, if there is one.
        store: where results are kept.
        admission: who may come in.
        memory: for pictures, from before they are decoded until their results are there.
        threads: where the CPU's work is done.
        metrics: where predictions are counted.
        limits: what one picture may cost.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        successor: Callable[[ServedModel], Awaitable[ServedModel | None]],
        store: ResultStore,
        admission: Admission,
        memory: Budget,
        threads: CpuThreads,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._backend = backend
        self._successor = successor
        self._store = store
        self._admission = admission
        self._memory = memory
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
                interactive requests are under way. Each inference request gets what is left until the deadline. Where
                the model's version is taken away meanwhile, the newest is asked from the start.

        Raises:
            PlatformError: every kind of 4xx for the picture, 5xx for the servers; TooBusy before anything is read, or
                for a large picture when its size is known; NoRoom before it is decoded; DeadlineExceeded when the
                caller's time is over.
        """
        caller = caller or Caller()
        async with caller.deadline.enforce(model.name):
            self._admission.check(model, caller.lane, caller.deadline.remaining_s())
            self._store.storage.check()
            data, parameters = await read()
            timings.lap("receive")
            try:
                answer = await self._ask_one(Question(model, data, parameters), timings, caller)
            except ModelNotReady as error:
                newest = await self._successor(model) if error.unloaded and caller.any_version else None
                if newest is None:
                    raise
                answer = await self._ask_one(Question(newest, data, parameters), timings, caller)
        self._metrics.predictions.labels(model.name, answer.source).inc()
        return answer

    async def _ask_one(self, question: Question, timings: Timings, caller: Caller) -> Answer:
        """The answer of one version of a model."""
        with self._admission.place(question.model, caller.lane, caller.deadline.remaining_s()) as place:
            await self._admission.give_way(question.model, caller.lane)
            with self._memory.share() as share:
                answer = await self._answer(Work(question, caller, place, share, timings))
            if caller.lane is Lane.BACKGROUND:  # a job's picture is deleted next, so its result has to stay
                results = self._store.of(caller.owner)
                await results.writing.ask(results.sync, answer.id)
        return answer

    async def _answer(self, work: Work) -> Answer:
        question, model, timings = work.question, work.question.model, work.timings
        results = self._store.of(work.caller.owner)
        if len(question.data) > QUICK_TO_HASH_BYTES:
            await self._threads.run(self._hash, work)
        stored = await results.reading.ask(self._find, work, results)
        if stored is not None:
            return Answer(stored, "store")
        opened = await (_here if work.quick else self._threads.run)(self._open, work)
        if isinstance(opened, Sized):
            opened = await self._wait(work, opened)
        count = opened.plan.count
        work.place.count(count)
        if count:
            at_once = self._limits.tiles_in_flight(model.configuration)
            await self._infer(opened.plan, opened.requests, partial(self._ask, work, opened.plan.outputs), at_once)
            timings.lap("infer")
        fresh = await (_here if model.task.quick else self._threads.run)(self._finish, work, opened)
        await results.writing.ask(self._save, work, results, opened, fresh)
        timings.lap("store")
        size = len(opened.clean) + sum(map(len, fresh.files.values()))
        return Answer(Entry(fresh.document, model, results, size, fresh=fresh), "inference" if count else "none")

    def _hash(self, work: Work) -> None:
        """Find out the id of the result, which takes a large file's time, as part of the lookup. Does CPU work."""
        work.timings.lap("queue")
        _ = work.question.id
        work.timings.lap("lookup")

    def _find(self, work: Work, results: ResultStore) -> Entry | None:
        """The stored result, if there is one. Waits for the place; called from one of its threads."""
        question, timings = work.question, work.timings
        timings.lap("queue")
        stored = results.find(question.id)
        timings.lap("lookup")
        if stored is None:
            return None
        document = json.loads(stored.document)
        return Entry(document, question.model, results, stored.file_bytes, lambda: results.read(question.id).notes)

    def _open(self, work: Work) -> Sized | Opened:
        """Everything up to the inference, if nothing has to be waited for. Does CPU work."""
        question = work.question
        if not work.quick:  # then it waited for a thread
            work.timings.lap("queue")
        header = question.header(self._limits.max_image_pixels)
        sized = Sized(
            header, question.model.task.demand(header, question.model, question.parameters), len(question.data)
        )
        slow = work.quick and not header.quick  # told by its size alone it was quick
        if slow or sized.demand.requests > 1 or not work.share.take(sized.bytes):
            return sized
        return self._prepare(work, sized)

    async def _wait(self, work: Work, sized: Sized) -> Opened:
        """A large picture's turn, and room in the memory; then everything up to the inference."""
        deadline, model = work.caller.deadline, work.question.model
        await self._admission.fit(model, work.place, sized.demand.requests, deadline.remaining_s())
        with work.place.aside():
            await work.share.wait(sized.bytes)
        work.timings.lap("queue")
        return await self._threads.run(self._prepare, work, sized)

    def _prepare(self, work: Work, sized: Sized) -> Opened:
        """Decode and plan. Does CPU work; called from a thread."""
        question, timings = work.question, work.timings
        with work.share.in_use():
            picture = sized.header.decode(question.background)
            timings.lap("decode")
            clean = without_metadata(sized.header.data, picture)  # whose copy, if it is one, is counted
            plan = question.model.task.plan(picture, question.model, question.parameters)
            requests = plan.requests()
            # Made here, so that a picture with one request needs no further change of threads.
            first = list(itertools.islice(requests, 1))
            if sized.bytes > SMALL_BYTES:  # of a large picture the file is kept, and its pixels are not
                picture.release()
                work.share.keep(sized.demand.bytes + 2 * len(clean))  # a second time on its way to the store
            timings.lap("preprocess")
        return Opened(picture, clean, plan, itertools.chain(first, requests), sized)

    async def _infer(
        self, plan: Plan, requests: Iterator[Tensors], ask: Callable[[Tensors], Awaitable[Tensors]], at_once: int
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
                for _ in range(min(at_once, plan.count)):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # one answer can carry one error; the others were cancelled

    async def _ask(self, work: Work, outputs: Sequence[str], tensors: Tensors) -> Tensors:
        model, caller = work.question.model, work.caller
        async with self._admission.inference(model, caller.lane, work.place):
            timeout_s = min(self._limits.infer_timeout_s, caller.deadline.remaining_s())
            return await self._backend.infer(model.name, model.version, tensors, outputs, timeout_s)

    def _finish(self, work: Work, opened: Opened) -> Stored:
        """What the answers say. It stays in memory, for whoever wants it drawn at once. Does CPU work."""
        question, picture = work.question, opened.picture
        with work.share.in_use():
            found = opened.plan.result()
            work.timings.lap("postprocess")
            document = question.document(found, picture, work.timings.rounded())
        again = partial(decode, opened.clean, self._limits.max_image_pixels, question.background)
        small = opened.sized.bytes <= SMALL_BYTES
        files = question.files(found, picture)
        return Stored(document, files, question.model.card, (lambda: picture) if small else again)

    def _save(self, work: Work, results: ResultStore, opened: Opened, fresh: Stored) -> None:
        """Store the result. Waits for the place; called from one of its threads."""
        with work.share.in_use():
            content = json.dumps(fresh.document).encode()
            results.save(work.question.id, content, {**fresh.files, PICTURE: opened.clean})


async def _here(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do on the event loop what takes it no longer than to hand it to a thread, and everybody else a few ms."""
    return function(*args, **kwargs)
