"""An attempt on an image of a job, how it begins and how it ends, whoever computes in between.

Whatever is done here may be done again: who does it can be killed between any two steps, and the message then comes
again. A result has the same id each time, and an image ends once, whoever ends it first.
"""

import asyncio
import contextlib
import logging
import random
from functools import partial

from pydantic import ValidationError

from oncoserve.errors import (
    AttemptsExhausted,
    InferenceUnavailable,
    JobsUnavailable,
    ModelNotFound,
    ModelNotReady,
    ServiceError,
    StorageUnavailable,
    TooBusy,
)
from oncoserve.jobs.job import Fault, ImageMessage, Outcome
from oncoserve.jobs.patience import Patience
from oncoserve.jobs.ports import Adapters, Lease
from oncoserve.runtime.metrics import Metrics

# What says nothing about the image. ModelNotFound: the model went away between the look and the question.
NOT_ITS_FAULT = (InferenceUnavailable, ModelNotFound, ModelNotReady, TooBusy, StorageUnavailable)
# Triton has gone, or the model's process in it.
GONE = (InferenceUnavailable, ModelNotReady)

log = logging.getLogger(__name__)


class Attempts:
    """Begins attempts, and settles them.

    Args:
        adapters: queue, records, pictures.
        most: how often work on an image is begun.
        metrics: where to count.
        unheard: what is said of an image whose last attempt never ended.
    """

    def __init__(self, adapters: Adapters, most: int, metrics: Metrics, unheard: str) -> None:
        self._to = adapters
        self._most = most
        self._metrics = metrics
        self._unheard = unheard
        self._insist = Patience().insist

    async def read(self, lease: Lease) -> ImageMessage | None:
        """The lease's message; None when it is not one of ours, and is buried."""
        try:
            return _read(lease)
        except ValueError as error:
            await self._insist(partial(self._to.queue.bury, lease, f"not a message of ours: {error}"))
            log.warning("a foreign message was buried", extra={"model": lease.model})
            return None

    async def begin(self, lease: Lease, message: ImageMessage) -> int | None:
        """Count an attempt.

        Returns:
            Its number. None when there is nothing to do, and everything is settled: the image has ended, its job is
            gone, or it has had its attempts.
        """
        attempt = await self._count(message)
        if attempt is None:
            await self.clear_away(lease, message)
        elif attempt > self._most:
            # This one was never made: the record shall not count it.
            await self._insist(partial(self._to.store.withdraw, message.job_id, message.index, counted=False))
            await self.give_up(lease, message, AttemptsExhausted(attempt - 1, self._unheard))
        else:
            return attempt
        return None

    async def _count(self, message: ImageMessage) -> int | None:
        try:
            return await self._insist(partial(self._to.store.begin, message.job_id, message.index))
        except asyncio.CancelledError:  # it may be written all the same: nobody stops a thread
            await self.undo(message)
            raise

    async def undo(self, message: ImageMessage) -> None:
        """As if it had not begun; asked once, since whoever asks is leaving."""
        with contextlib.suppress(JobsUnavailable):
            await self._to.store.withdraw(message.job_id, message.index, counted=False)

    async def end(self, lease: Lease, message: ImageMessage, outcome: Outcome) -> None:
        """The image has a result, or is refused for what it is."""
        await self._finish(message, outcome)
        await self.clear_away(lease, message)

    async def _finish(self, message: ImageMessage, outcome: Outcome) -> None:
        if await self._insist(partial(self._to.store.finish, message.job_id, message.index, outcome)):
            self._metrics.job_images.labels(message.model, outcome.state.lower()).inc()
            fault = outcome.fault and outcome.fault.code
            log.info("image ended", extra={"job": message.job_id, "index": message.index, "code": fault})

    async def clear_away(self, lease: Lease, message: ImageMessage) -> None:
        """Nobody needs the picture any more; the acknowledgement says so, and so comes last."""
        await self._insist(partial(self._to.objects.delete, message.object))
        await self._insist(partial(self._to.queue.acknowledge, lease))

    async def again(self, lease: Lease, message: ImageMessage, longest_s: float, *, counted: bool) -> None:
        """Have it tried again, in half the time to all of it: what failed together shall not come again together."""
        await self._insist(partial(self._to.store.withdraw, message.job_id, message.index, counted=counted))
        delay_s = longest_s * random.uniform(0.5, 1)  # noqa: S311 - no secret
        await self._insist(partial(self._to.queue.release, lease, delay_s))

    def exhausted(self, attempt: int, reason: str) -> AttemptsExhausted | None:
        """Why an image is not tried again after this attempt, which counts and failed for the reason; None if it is."""
        return None if attempt < self._most else AttemptsExhausted(attempt, reason)

    async def give_up(self, lease: Lease, message: ImageMessage, error: ServiceError) -> None:
        """The image fails, and its message goes to the dead letters with the reason."""
        reason = error.args[0]
        log.error("an image was given up", extra={"job": message.job_id, "index": message.index, "reason": reason})
        # The picture stays until the job expires: whoever mends the reason can have it tried again.
        await self._finish(message, Outcome(fault=Fault.of(error)))
        await self._insist(partial(self._to.queue.bury, lease, reason))


def _read(lease: Lease) -> ImageMessage:
    """The message.

    Raises:
        ValueError: it is not one of ours.
    """
    try:
        message = ImageMessage.model_validate_json(lease.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from error
    if message.model != lease.model:
        raise ValueError(f"it is for model {message.model!r}")
    return message
