"""One picture from bytes to a stored result. The only place that knows the order of the steps."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from oncoserve import NOTICE, __version__
from oncoserve.inference.backend import InferenceBackend, Tensors
from oncoserve.pictures.decode import Picture, Undecoded
from oncoserve.pictures.scrub import without_metadata
from oncoserve.prediction.admission import Admission
from oncoserve.prediction.caller import Caller
from oncoserve.results.store import PICTURE, ResultStore, result_id
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.timings import Timings
from oncoserve.tasks.base import SMALL_PIXELS, Parameters, Plan, ServedModel, TaskResult

SMALL_BYTES = 2**17
"""Of a PNG or JPEG that is decoded in milliseconds, unless its pixels are too many."""


@dataclass(frozen=True)
class Limits:
    """What one picture may cost.

    Attributes:
        max_image_pixels: width times height.
        infer_timeout_s: seconds that one inference request may take.
        max_tiles_in_flight: inference requests of one picture at once.
        small_bytes: of an upload that may be read on the event loop, see `Pipeline._open`.
    """

    max_image_pixels: int
    infer_timeout_s: float
    max_tiles_in_flight: int
    small_bytes: int = 0


@dataclass(frozen=True)
class Answer:
    """A result on its way out.

    Attributes:
        id: the result's id.
        document: the JSON document, encoded.
        cached: whether it was there already, so that no inference was needed.
    """

    id: str
    document: bytes
    cached: bool


class Pipeline:
    """Bytes in, stored result out.

    Args:
        backend: the inference server.
        store: where results are kept.
        admission: who may come in.
        threads: where the CPU's work is done.
        limits: what one picture may cost.
    """

    def __init__(
        self, backend: InferenceBackend, store: ResultStore, admission: Admission, threads: CpuThreads, limits: Limits
    ) -> None:
        self._backend = backend
        self._store = store
        self.admission = admission
        self._threads = threads
        self._limits = limits

    async def predict(
        self, model: ServedModel, data: bytes, parameters: Parameters, timings: Timings, caller: Caller | None = None
    ) -> Answer:
        """Answer one upload; the same upload again by the same owner is answered from the store.

        Args:
            model: what to ask.
            data: the picture, encoded.
            parameters: the task's.
            timings: gets a lap per stage.
            caller: who asks. Work in the background waits, as long as it takes, while interactive requests are under
                way. Each inference request gets what is left until the deadline; whoever calls this ends the rest of
                the work when it is over.

        Raises:
            PlatformError: see errors.py; every kind of 4xx for the picture, 5xx for the servers.
        """
        caller = caller or Caller()
        with self.admission.place(model, caller.lane, caller.deadline.remaining_s()):
            await self.admission.give_way(model, caller.lane)
            job = _Job(model, data, parameters, self._store.of(caller.owner))
            opened = await self._open(job, timings)
            if isinstance(opened, bytes):
                return Answer(job.id, opened, cached=True)
            picture, plan, requests = opened
            await self._infer(plan, requests, partial(self._ask, model, plan.outputs, caller))
            timings.lap("infer")
            document = await self._threads.run(self._finish, job, picture, plan, timings)
            timings.lap("store")
            return Answer(job.id, document, cached=False)

    async def _open(self, job: "_Job", timings: Timings) -> "bytes | _Opened":
        """The stored document, or else everything up to the inference.

        Where other processes use the other cores, a small picture is read right here, on the event loop: to hand it to
        a thread and back takes as long, and the interpreter's lock then goes to and fro between the two.
        """
        if len(job.data) > self._limits.small_bytes or not job.model.task.brief(job.model):
            return await self._threads.run(self._open_in_one_go, job, timings)
        found = self._find(job, timings)
        if isinstance(found, bytes):
            return found
        if found.pixels > SMALL_PIXELS:
            return await self._threads.run(self._prepare, job, found, timings)
        return self._prepare(job, found, timings)

    def _open_in_one_go(self, job: "_Job", timings: Timings) -> "bytes | _Opened":
        found = self._find(job, timings)
        return found if isinstance(found, bytes) else self._prepare(job, found, timings)

    def _find(self, job: "_Job", timings: Timings) -> bytes | Undecoded:
        timings.lap("queue")
        stored = job.results.find(job.id)
        timings.lap("lookup")
        return Undecoded(job.data, self._limits.max_image_pixels) if stored is None else stored

    def _prepare(self, job: "_Job", file: Undecoded, timings: Timings) -> "_Opened":
        picture = file.decode(job.model.card.preprocessing.background)
        timings.lap("decode")
        plan = job.model.task.plan(picture, job.model, job.parameters)
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
        async with self.admission.inference(model, caller.lane):
            timeout_s = min(self._limits.infer_timeout_s, caller.deadline.remaining_s())
            return await self._backend.infer(model.name, model.version, tensors, outputs, timeout_s)

    def _finish(self, job: "_Job", picture: Picture, plan: Plan, timings: Timings) -> bytes:
        found = plan.result()
        clean = without_metadata(job.data, picture)
        timings.lap("postprocess")
        document = job.document(found, picture, timings.rounded())
        job.results.save(job.id, document, {**found.artefacts, PICTURE: clean})
        return document


_Opened = tuple[Picture, Plan, Iterator[Tensors]]


class _Job:
    """What was asked: the picture, the model and the parameters, the name that follows from them, and its place."""

    def __init__(self, model: ServedModel, data: bytes, parameters: Parameters, results: ResultStore) -> None:
        self.results = results
        self.model = model
        self.data = data
        self.parameters = parameters

    @cached_property
    def image_sha256(self) -> str:
        """Of the bytes as they were sent."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def id(self) -> str:
        """The result's."""
        asked = self.parameters.model_dump(mode="json")
        return result_id(self.image_sha256, self.model.name, self.model.version, self.model.model_sha256, asked)

    def document(self, found: TaskResult, picture: Picture, timings_ms: dict[str, float]) -> bytes:
        """The JSON document of the result."""
        card = self.model.card
        warnings = [*picture.warnings, *found.warnings]
        return json.dumps(
            {
                "id": self.id,
                "model": card.name,
                "version": self.model.version,
                "task": card.task,
                **found.document,
                "warnings": [{"code": each.code, "message": each.message} for each in warnings],
                "image": {"width": picture.width, "height": picture.height, "format": picture.format},
                "timings_ms": timings_ms,
                "provenance": self._provenance(),
                "links": self._links(),
            }
        ).encode()

    def _links(self) -> dict[str, str]:
        address = f"/v1/results/{self.id}"
        files = {each.link: f"{address}/{each.name}" for each in self.model.task.renderings(self.model.card)}
        return {"self": address, **files, "model": f"/v1/models/{self.model.name}"}

    def _provenance(self) -> dict[str, Any]:
        weights = self.model.weights
        return {
            "model": self.model.name,
            "version": self.model.version,
            "model_sha256": self.model.model_sha256,
            "weights": {"package": weights.package, "sha256": weights.sha256},
            "code_version": __version__,
            "input_sha256": self.image_sha256,
            "parameters": self.parameters.model_dump(mode="json"),
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "notice": NOTICE,
        }
