"""The second half of an image's way through an endpoint: from SageMaker's notice to a result that callers find.

Notices come once, twice, late, in any order or not at all. What is settled has no ticket any more, so that a notice of
it changes nothing; the ticket goes after the message and before the answer, so that every step can be done again.
"""

import asyncio
import logging
from functools import partial
from typing import Final

from oncoserve.errors import JobsUnavailable, UploadNotFound
from oncoserve.jobs.attempts import Attempts
from oncoserve.jobs.aws.s3_objects import S3Objects
from oncoserve.jobs.finding import finding_of
from oncoserve.jobs.job import Fault, ImageMessage, Outcome
from oncoserve.jobs.patience import Patience
from oncoserve.jobs.ports import Adapters
from oncoserve.jobs.sagemaker.answer_format import MAX_BYTES
from oncoserve.jobs.sagemaker.endpoint_answers import Answer, read_answer
from oncoserve.jobs.sagemaker.feeding import UNSENT_S
from oncoserve.jobs.sagemaker.notices import Notice, read_notice
from oncoserve.jobs.sagemaker.setting_back import Setback, set_back
from oncoserve.jobs.sagemaker.tickets import Held, Ticket, Tickets

LOOK_S, LOOKS = 0.25, 20  # for the end of the function that sends the image
NO_WORD: Final = "The endpoint did not answer it; its log says why."
STRANGE: Final = "The endpoint's answer could not be read; the settler's log says why."


log = logging.getLogger(__name__)


class Settler:
    """Settles images that their endpoint has answered.

    Args:
        adapters: queue, records, results.
        objects: the bucket that answers come to.
        bucket: its name.
        tickets: of what is under way.
        attempts: the rules that workers have, too.
    """

    def __init__(
        self, adapters: Adapters, objects: S3Objects, bucket: str, tickets: Tickets, attempts: Attempts
    ) -> None:
        self._to = adapters
        self._objects = objects
        self._bucket = bucket
        self._tickets = tickets
        self._attempts = attempts
        self._insist = Patience().insist

    async def settle(self, body: str) -> None:
        """Settle what a notice is of; one that is not ours is told, and no more.

        Args:
            body: as the queue delivered it.

        Raises:
            JobsUnavailable: it has to come again.
        """
        try:
            notice = read_notice(body, self._bucket)
        except ValueError as error:
            log.warning("a notice that is not ours was left alone", extra={"reason": str(error)})
            return
        held = await self._insist(partial(self._tickets.find, notice.job_id, notice.index))
        if held is not None:
            await self._settle(notice, held)
        if notice.answer is not None:
            await self._insist(partial(self._objects.delete, notice.answer))

    async def _settle(self, notice: Notice, held: Held) -> None:
        ticket, message = held.ticket, held.ticket.message
        found = await self._outcome(notice, message)
        if isinstance(found, Outcome):
            await self._attempts.end(ticket.lease, message, found)
        elif ticket.inference != notice.inference:
            # The image was sent again, since nothing had been heard for so long. Late results are as good as others.
            log.warning("a notice came late", extra={"job": message.job_id, "index": message.index})
            return
        else:
            newest = await self._sent(held)
            if newest is None:
                return
            await set_back(self._attempts, newest.lease, message, newest.attempt, found)
        await self._insist(partial(self._tickets.withdraw, message.job_id, message.index))

    async def _outcome(self, notice: Notice, message: ImageMessage) -> Outcome | Setback:
        """How the image ended, with its result where callers find it; or why it has not ended."""
        about = {"job": message.job_id, "index": message.index}
        if notice.answer is None:
            log.warning("an endpoint failed", extra=about | {"reason": notice.reason[:1000]})
            # Of a request that waited too long SageMaker may say so: no picture is to blame for that.
            return Setback(NO_WORD, counted="expired" not in notice.reason.lower())
        try:
            content = await self._insist(partial(self._objects.get, notice.answer, MAX_BYTES + 1))
            found = read_answer(content, message.model)
            if isinstance(found, Answer):
                return await self._publish(found, message)
        except UploadNotFound:
            log.warning("an answer is not there", extra=about)
            return Setback(NO_WORD, counted=True)
        except ValueError as error:
            log.warning("an answer cannot be read", extra=about | {"reason": str(error)})
            return Setback(STRANGE, counted=True)
        return Outcome(fault=found) if isinstance(found, Fault) else found

    async def _publish(self, answer: Answer, message: ImageMessage) -> Outcome:
        publish = partial(self._to.publisher.publish, message.owner, answer.document, answer.files, answer.draw)
        await self._insist(publish)
        return Outcome(answer.document["id"], answer.files, finding=finding_of(answer.document))

    async def _sent(self, held: Held) -> Ticket | None:
        """The ticket when the function that sent it is done, or has ended: else it might hide the message afterwards.

        Returns:
            None when another notice of the same has settled it meanwhile.

        Raises:
            JobsUnavailable: it is not, yet.
        """
        message, found = held.ticket.message, held.ticket
        for _ in range(LOOKS):
            if found.sent or found.issued_s + UNSENT_S < self._to.clock.now():
                return found
            await asyncio.sleep(LOOK_S)
            again = await self._insist(partial(self._tickets.find, message.job_id, message.index))
            if again is None or again.ticket.inference != held.ticket.inference:
                return None
            found = again.ticket
        raise JobsUnavailable("the image is still being sent")
