"""The loop of a worker: takes leases of every model that is ready, a few at a time, until it is told to stop."""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from functools import partial

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.image import Handler, Rules
from oncoserve.jobs.job import RECORD_KEPT
from oncoserve.jobs.patience import Patience
from oncoserve.jobs.ports import Adapters
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.storage.storage import Storage

POLL_S = 0.2  # between two looks at what is in memory
RECEIVE_S = 1.0  # longest wait in one call of the queue; also how soon a quiet worker stops
TIDY_S = 60.0  # between two rounds of tidying

log = logging.getLogger(__name__)


class Worker:
    """Works on jobs.

    Args:
        adapters: queue, records, pictures.
        catalogue: the models; somebody else watches them.
        handler: works on one lease.
        rules: limits.
        storage: where results are kept.
    """

    def __init__(
        self, adapters: Adapters, catalogue: Catalogue, handler: Handler, rules: Rules, storage: Storage
    ) -> None:
        self._to = adapters
        self._catalogue = catalogue
        self._handler = handler
        self._rules = rules
        self._storage = storage
        self._handling: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let what is under way end, and give back what does not end in time."""
        consumers: dict[str, asyncio.Task[None]] = {}
        tidying = asyncio.create_task(self._tidy())
        try:
            while not stop.is_set():
                ready = self._catalogue.snapshot.models.keys()
                for name in (ready & self._rules.models if self._rules.models else ready) - consumers.keys():
                    consumers[name] = asyncio.create_task(self._consume(name, stop))
                for task in consumers.values():
                    if task.done():
                        task.result()  # a defect of ours: let it end the process, which is started again
                await asyncio.sleep(POLL_S)
        finally:
            tidying.cancel()
            await self._leave({*consumers.values()})

    async def _leave(self, consumers: set[asyncio.Task[None]]) -> None:
        if consumers | self._handling:
            await asyncio.wait(consumers | self._handling, timeout=self._rules.grace_s)
        rest = consumers | self._handling
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _consume(self, model: str, stop: asyncio.Event) -> None:
        insist = Patience().insist
        own: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            # While the server is away, or the model in it, or there is no room for results, messages stay in the queue,
            # where they cost no attempts.
            if not self._catalogue.answers(model) or self._storage.error is not None:
                await asyncio.sleep(POLL_S)
                continue
            room = self._rules.images_in_flight - len(own)
            if not room:
                await asyncio.wait(own, return_when=asyncio.FIRST_COMPLETED)
                continue
            for lease in await insist(partial(self._to.queue.receive, model, room, RECEIVE_S)):
                task = asyncio.create_task(self._handler.handle(lease))
                for tasks in (own, self._handling):
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                task.add_done_callback(_report)

    async def _tidy(self) -> None:
        """Take out expired jobs, and pictures and messages that were left behind. Several workers may do so at once."""
        while True:
            with contextlib.suppress(JobsUnavailable):  # the next time may succeed
                now = datetime.fromtimestamp(self._to.clock.now(), UTC)
                for key in await self._to.store.sweep(now, now - RECORD_KEPT):
                    await self._to.objects.delete(key)
                await self._to.objects.sweep(self._to.store.known)
                await self._to.queue.tidy()
            await asyncio.sleep(TIDY_S)


def _report(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a lease was left to run out", exc_info=error)
