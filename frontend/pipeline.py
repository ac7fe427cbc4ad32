"""One picture from bytes to a stored result. The only place that knows the order of the steps."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from frontend import NOTICE, __version__
from frontend.admission import Admission
from frontend.backend import InferenceBackend, Tensors
from frontend.catalogue import Catalogue
from frontend.errors import DeadlineExceeded, OverlayNotAvailable
from frontend.images import Picture, decode, to_png
from frontend.results import PICTURE, ResultStore, result_id
from frontend.scrub import without_metadata
from frontend.tasks.base import OverlayOptions, Parameters, Plan, ServedModel, TaskResult
from frontend.timings import Timings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one picture may cost.

    Attributes:
        max_image_pixels: width times height.
        infer_timeout_s: seconds that inference may take in all.
    """

    max_image_pixels: int
    infer_timeout_s: float


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
        catalogue: the models.
        store: where results are kept.
        admission: who may come in.
        threads: where the CPU's work is done; its size is the limit on it.
        limits: what one picture may cost.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        catalogue: Catalogue,
        store: ResultStore,
        admission: Admission,
        threads: ThreadPoolExecutor,
        limits: Limits,
    ) -> None:
        self._backend = backend
        self._catalogue = catalogue
        self._store = store
        self.admission = admission
        self._threads = threads
        self._limits = limits

    async def predict(self, model: ServedModel, data: bytes, parameters: Parameters, timings: Timings) -> Answer:
        """Answer one upload; the same upload again is answered from the store.

        Raises:
            PlatformError: see errors.py; every kind of 4xx for the picture, 5xx for the servers.
        """
        with self.admission.place(model.name):
            job, stored = await self.in_thread(self._open, model, data, parameters)
            timings.lap("lookup")
            if stored is not None:
                return Answer(job.id, stored, cached=True)
            picture, plan, requests, first = await self.in_thread(self._prepare, job, timings)
            await self._infer(job, plan, requests, first)
            timings.lap("infer")
            document = await self.in_thread(self._finish, job, picture, plan, timings)
            timings.lap("store")
            return Answer(job.id, document, cached=False)

    async def overlay(self, result: str, options: OverlayOptions) -> bytes:
        """The annotated picture of a stored result, as PNG; no inference.

        Raises:
            ResultNotFound, OverlayNotAvailable, StorageUnavailable, and what `Catalogue.get` raises.
        """
        document = json.loads(await self.document(result))
        model = self._catalogue.get(document["model"])
        return await self.in_thread(self._draw, document, model, options)

    async def document(self, result: str) -> bytes:
        """The JSON document of a stored result.

        Raises:
            ResultNotFound, StorageUnavailable
        """
        return await self.in_thread(self._store.document, result)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work in the bounded threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*args, **kwargs))

    def _open(self, model: ServedModel, data: bytes, parameters: Parameters) -> "tuple[_Job, bytes | None]":
        job = _Job(model, data, parameters)
        return job, self._store.find(job.id)

    def _prepare(self, job: "_Job", timings: Timings) -> tuple[Picture, Plan, Iterator[Tensors], Tensors]:
        timings.lap("queue")
        picture = decode(job.data, self._limits.max_image_pixels, job.model.card.preprocessing.background)
        timings.lap("decode")
        plan = job.model.task.plan(picture, job.model, job.parameters)
        requests = plan.requests()
        first = next(requests)
        timings.lap("preprocess")
        return picture, plan, requests, first

    async def _infer(self, job: "_Job", plan: Plan, requests: Iterator[Tensors], first: Tensors) -> None:
        deadline = time.monotonic() + self._limits.infer_timeout_s

        async def ask(index: int, tensors: Tensors) -> None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeadlineExceeded(job.model.name, self._limits.infer_timeout_s)
            answer = await self._backend.infer(job.model.name, job.model.version, tensors, plan.outputs, left)
            plan.accept(index, answer)

        await ask(0, first)
        for index in range(1, plan.count):
            await ask(index, await self.in_thread(next, requests))

    def _finish(self, job: "_Job", picture: Picture, plan: Plan, timings: Timings) -> bytes:
        found = plan.result()
        clean = without_metadata(job.data, picture)
        timings.lap("postprocess")
        document = job.document(found, picture, timings.rounded())
        self._store.save(job.id, document, {**found.artefacts, PICTURE: clean})
        return document

    def _draw(self, document: dict[str, Any], model: ServedModel, options: OverlayOptions) -> bytes:
        files = self._store.files(document["id"])
        picture = decode(files.pop(PICTURE), self._limits.max_image_pixels, model.card.preprocessing.background)
        image = model.task.overlay(picture, files, model.card, options)
        if image is None:
            raise OverlayNotAvailable(model.name)
        return to_png(image, {"Description": NOTICE, "Provenance": json.dumps(document["provenance"])})


class _Job:
    """What was asked: the picture, the model and the parameters, and the name that follows from them."""

    def __init__(self, model: ServedModel, data: bytes, parameters: Parameters) -> None:
        self.model = model
        self.data = data
        self.parameters = parameters
        self.image_sha256 = hashlib.sha256(data).hexdigest()
        asked = parameters.model_dump(mode="json")
        self.id = result_id(self.image_sha256, model.name, model.version, model.model_sha256, asked)

    def document(self, found: TaskResult, picture: Picture, timings_ms: dict[str, float]) -> bytes:
        """The JSON document of the result."""
        card = self.model.card
        height, width = picture.pixels.shape[:2]
        warnings = [*picture.warnings, *found.warnings]
        return json.dumps(
            {
                "id": self.id,
                "model": card.name,
                "version": self.model.version,
                "task": card.task,
                **found.document,
                "warnings": [{"code": each.code, "message": each.message} for each in warnings],
                "image": {"width": width, "height": height, "format": picture.format},
                "timings_ms": timings_ms,
                "provenance": self._provenance(),
                "links": {
                    "self": f"/v1/results/{self.id}",
                    "overlay": f"/v1/results/{self.id}/overlay.png",
                    "model": f"/v1/models/{card.name}",
                },
            }
        ).encode()

    def _provenance(self) -> dict[str, Any]:
        origin = self.model.card.origin
        return {
            "model": self.model.name,
            "version": self.model.version,
            "model_sha256": self.model.model_sha256,
            "weights": {"package": f"{origin.package} {origin.version}", "sha256": origin.sha256},
            "code_version": __version__,
            "input_sha256": self.image_sha256,
            "parameters": self.parameters.model_dump(mode="json"),
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "notice": NOTICE,
        }
