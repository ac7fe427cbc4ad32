"""One image of a job in a worker, from the receipt of its message to the acknowledgement, which comes last."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from pydantic import ValidationError

from oncoserve.errors import (
    DeadlineExceeded,
    InferenceFailed,
    InvalidParameter,
    JobsUnavailable,
    ModelProcessEnded,
    PlatformError,
    RequestError,
    ServiceError,
)
from oncoserve.jobs.attempts import GONE, NOT_ITS_FAULT, Attempts
from oncoserve.jobs.finding import finding_of
from oncoserve.jobs.gate import Gate
from oncoserve.jobs.job import Fault, ImageMessage, Outcome
from oncoserve.jobs.patience import Patience
from oncoserve.jobs.ports import Adapters, Lease
from oncoserve.prediction.admission import Lane
from oncoserve.prediction.caller import Caller
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.prediction.predict import Predict
from oncoserve.results.entry import Entry
from oncoserve.results.gallery import Gallery
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.timings import Timings
from oncoserve.tasks.base import ServedModel
from oncoserve.tasks.parameters import PictureParameters

# What the picture may have done, or the model: a canary decides.
DOUBTFUL = (InferenceFailed, DeadlineExceeded)
LONGEST_BACKOFF_S = 60.0
LOOK_AGAIN_S = 1.0
UNEXPECTED = "An unexpected error ended the last of them; the worker's log has it."
DIED = "The worker's process ended each time."
# How often the model's process may end while an image is alone there. Once may be chance: it was asked just before, and
# answered, but a process can be killed at any moment.
DEATHS = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """How much a worker takes on, and when it gives up.

    Attributes:
        images_in_flight: images per model that are worked on at once.
        max_attempts: how often work on an image is begun.
        lease_s: what the heartbeat extends a lease to.
        grace_s: what images under way get when the worker is told to stop.
        models: the only ones that are worked on; none means all.
    """

    images_in_flight: int
    max_attempts: int
    lease_s: float
    grace_s: float
    models: frozenset[str] = frozenset()


class Handler:
    """Works on leases.

    Args:
        adapters: queue, records, pictures.
        catalogue: the models, looked at again and again.
        predict: the same that answers uploads.
        gallery: draws what it stored.
        rules: limits.
        metrics: where to count.
    """

    def __init__(
        self,
        adapters: Adapters,
        catalogue: Catalogue,
        predict: Predict,
        gallery: Gallery,
        rules: Rules,
        metrics: Metrics,
    ) -> None:
        self._to = adapters
        self._catalogue = catalogue
        self._predict = predict
        self._gallery = gallery
        self._rules = rules
        self._attempts = Attempts(adapters, rules.max_attempts, metrics, DIED)
        self._gate = Gate()
        self._deaths: Counter[tuple[str, int]] = Counter()  # of what computed, by the image that was alone there
        self._insist = Patience().insist

    async def handle(self, lease: Lease) -> None:
        """Work on one lease. When this is cancelled the message is given back at once, as if nothing had been done."""
        message = await self._attempts.read(lease)
        if message is None:
            return
        # It came before: perhaps the process died of it, and of what else was under way. From now on it is alone.
        suspect = lease.deliveries > 1
        try:
            async with self._heartbeat(lease), self._gate.alone() if suspect else self._gate.shared():
                if suspect and not await self._catalogue.ask(message.model, full=False):
                    await self._insist(partial(self._to.queue.release, lease, LOOK_AGAIN_S))
                else:
                    await self._attempt(lease, message, alone=suspect)
        except asyncio.CancelledError:
            with contextlib.suppress(JobsUnavailable):
                await self._to.queue.release(lease, 0)
            raise

    async def _attempt(self, lease: Lease, message: ImageMessage, *, alone: bool) -> None:
        attempt = await self._attempts.begin(lease, message)
        if attempt is None:
            return
        try:
            outcome = await self._ask(message)
        except asyncio.CancelledError:
            await self._attempts.undo(message)
            raise
        except RequestError as error:
            outcome = Outcome(fault=Fault.of(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the image is tried again or given up
            await self._set_back(lease, message, attempt, error, alone=alone)
            return
        await self._attempts.end(lease, message, outcome)

    async def _ask(self, message: ImageMessage) -> Outcome:
        model = self._catalogue.get(message.model)

        async def read() -> tuple[bytes, PictureParameters]:
            data = await self._insist(partial(self._to.objects.get, message.object))
            return data, _parameters(model, message)

        answer = await self._predict.predict(model, read, Timings(), Caller(message.owner, Lane.BACKGROUND))
        entry = answer.entry
        draw, files = partial(self._draw, entry), entry.files
        await self._insist(partial(self._to.publisher.publish, message.owner, entry.document, files, draw))
        return Outcome(answer.id, files, finding=finding_of(entry.document))

    async def _draw(self, entry: Entry, name: str) -> bytes:
        rendering = entry.rendering(name)
        with await self._gallery.draw(entry, rendering, rendering.options()) as drawing:
            return b"".join([piece async for piece in drawing.pieces()])

    async def _set_back(
        self, lease: Lease, message: ImageMessage, attempt: int, error: Exception, *, alone: bool
    ) -> None:
        """Try again later, or give up. What says nothing about the image does not count as an attempt."""
        if not isinstance(error, PlatformError):
            log.error("unexpected error", extra={"job": message.job_id, "index": message.index}, exc_info=error)
        well = not isinstance(error, DOUBTFUL) or await self._catalogue.ask(message.model, full=True)
        # The model was there for this image alone, and then was not: perhaps it died of it.
        died = alone and (isinstance(error, GONE) or not well)
        # An image that others were beside may have had no time left for their sake.
        in_time = alone or not isinstance(error, DeadlineExceeded)
        counted = died or (well and in_time and not isinstance(error, NOT_ITS_FAULT))
        if final := self._final(message, attempt, error, died=died) if counted else None:
            await self._attempts.give_up(lease, message, final)
            return
        longest_s = min(LONGEST_BACKOFF_S, 2.0**attempt) if counted else LOOK_AGAIN_S
        await self._attempts.again(lease, message, longest_s, counted=counted)

    def _final(self, message: ImageMessage, attempt: int, error: Exception, *, died: bool) -> ServiceError | None:
        """Why an image is not tried again; None if it is."""
        if died:
            image = message.job_id, message.index
            self._deaths[image] += 1
            if self._deaths[image] >= DEATHS or attempt >= self._rules.max_attempts:
                del self._deaths[image]
                return ModelProcessEnded(message.model, attempt)
        return self._attempts.exhausted(attempt, error.detail if isinstance(error, PlatformError) else UNEXPECTED)

    @asynccontextmanager
    async def _heartbeat(self, lease: Lease) -> AsyncIterator[None]:
        async def beat() -> None:
            while True:
                await asyncio.sleep(self._rules.lease_s / 3)
                with contextlib.suppress(JobsUnavailable):  # the next beat may come through; if not, another takes over
                    await self._to.queue.extend(lease, self._rules.lease_s)

        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()


def _parameters(model: ServedModel, message: ImageMessage) -> PictureParameters:
    try:
        return model.task.parameters.model_validate(message.parameters)
    except ValidationError as error:  # such as a message of an older version
        first = error.errors(include_url=False)[0]
        raise InvalidParameter(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
