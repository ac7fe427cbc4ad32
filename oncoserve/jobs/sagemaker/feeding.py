"""The first half of an image's way through an endpoint: from its message in the queue to the endpoint's own queue.

The message stays in the queue, hidden for as long as an answer may take: what is lost on the way comes again by itself,
as from a worker that was killed.
"""

import asyncio
import contextlib
import logging
from functools import partial
from typing import Final

from oncoserve.errors import JobsUnavailable, RequestError
from oncoserve.jobs.attempts import Attempts
from oncoserve.jobs.job import Fault, ImageMessage, Outcome
from oncoserve.jobs.patience import Patience
from oncoserve.jobs.ports import Adapters, Lease
from oncoserve.jobs.sagemaker.endpoints import LEASE_S, Endpoints
from oncoserve.jobs.sagemaker.setting_back import Setback, set_back
from oncoserve.jobs.sagemaker.tickets import Held, Ticket, Tickets

UNSENT_S: Final = 60.0
"""Older than that, a ticket that was not sent is of a function that has ended: longer than any of them runs."""
UNHEARD = "Nothing was heard of it each time."

log = logging.getLogger(__name__)


class Feeder:
    """Sends images to their endpoints.

    Args:
        adapters: queue, records, pictures.
        tickets: of what is under way.
        endpoints: where images are computed.
        attempts: the rules that workers have, too.
    """

    def __init__(self, adapters: Adapters, tickets: Tickets, endpoints: Endpoints, attempts: Attempts) -> None:
        self._to = adapters
        self._tickets = tickets
        self._endpoints = endpoints
        self._attempts = attempts
        self._insist = Patience().insist

    async def feed(self, lease: Lease) -> None:
        """Send the image of one lease. Cancelled before it is sent, it is given back as if nothing had been done."""
        message = await self._attempts.read(lease)
        if message is None:
            return
        held = await self._insist(partial(self._tickets.find, message.job_id, message.index))
        if held is not None:
            if await self._is_under_way(held, lease):
                return
            log.warning("nothing was heard of an image", extra={"job": message.job_id, "index": message.index})
            await self._insist(partial(self._tickets.withdraw, message.job_id, message.index))
        # First the ticket, then the attempt: whoever comes second with the same message shall not count one.
        ticket = Ticket.of(message, lease, self._to.clock.now())
        held = await self._insist(partial(self._tickets.issue, ticket))
        if held is None:
            await self._insist(partial(self._to.queue.release, lease, UNSENT_S))
            return
        try:
            attempt = await self._send(lease, ticket)
        except asyncio.CancelledError:
            await self._take_back(lease, message)
            raise
        if attempt is not None:
            # In this order: who settles gives a message back only when it can no longer be hidden here.
            await self._insist(partial(self._to.queue.extend, lease, LEASE_S))
            sent = ticket.model_copy(update={"attempt": attempt, "sent": True})
            await self._insist(partial(self._tickets.change, held, sent))

    async def _is_under_way(self, held: Held, lease: Lease) -> bool:
        """Whether the image is sent, or being sent. Its message is then hidden again, until no answer can come."""
        ticket = held.ticket
        left_s = ticket.issued_s + (LEASE_S if ticket.sent else UNSENT_S) - self._to.clock.now()
        if left_s <= 0:
            return False
        await self._insist(partial(self._to.queue.release, lease, left_s))
        if not ticket.sent:
            return True  # whoever sends it is about to change it
        # From now on it is settled with this delivery's receipt: an older one may no longer hold.
        newer = ticket.model_copy(update={"receipt": lease.receipt, "deliveries": lease.deliveries})
        if await self._insist(partial(self._tickets.change, held, newer)) is None:
            # It was settled meanwhile, perhaps to be tried again.
            await self._insist(partial(self._to.queue.release, lease, 1))
        return True

    async def _send(self, lease: Lease, ticket: Ticket) -> int | None:
        """Begin an attempt; its number, or None when the image needs none or was not taken."""
        message = ticket.message
        attempt = await self._attempts.begin(lease, message)
        if attempt is not None:
            try:
                await self._endpoints.invoke(message, ticket.inference)
            except RequestError as error:
                await self._attempts.end(lease, message, Outcome(fault=Fault.of(error)))
            except JobsUnavailable as error:
                why = Setback(f"The endpoint did not take it: {error.args[0]}", counted=False)
                await set_back(self._attempts, lease, message, attempt, why)
            else:
                return attempt
        await self._insist(partial(self._tickets.withdraw, message.job_id, message.index))
        return None

    async def _take_back(self, lease: Lease, message: ImageMessage) -> None:
        """Asked once, since the function is about to be stopped; what stays undone is found with the next delivery."""
        await self._attempts.undo(message)
        with contextlib.suppress(JobsUnavailable):
            await self._tickets.withdraw(message.job_id, message.index)
            await self._to.queue.release(lease, 0)
