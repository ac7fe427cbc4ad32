"""The queue of jobs as a table of leases."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Update, and_, delete, func, insert, select, tuple_, update

from oncoserve.jobs.job import ImageMessage
from oncoserve.jobs.ports import Backlog, DeadLetter, Lease
from oncoserve.jobs.sql.job_tables import dead_letters, messages
from oncoserve.jobs.sql.sql_database import SqlDatabase

LONGEST_DELAY_S = 120.0  # longer than any delay that a message is released with
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5  # between two checks of an empty queue


class SqlQueue:
    """A JobQueue in a database.

    Args:
        database: shared with the records.
        visibility_s: how long a lease lasts that is not extended.
    """

    def __init__(self, database: SqlDatabase, visibility_s: float) -> None:
        self._database = database
        self._visibility_s = visibility_s

    async def send(self, messages: Sequence[ImageMessage]) -> None:
        """See the port."""
        if messages:
            await self._database.write(lambda connection: self.add(connection, messages))

    def add(self, connection: Connection, messages: Sequence[ImageMessage]) -> None:
        """Add messages in a transaction that does something else, too."""
        self._add(connection, [(each.model, each.job_id, each.model_dump_json()) for each in messages])

    async def send_raw(self, bodies: Sequence[tuple[str, str, str]]) -> None:
        """Add messages as they are: model, job id, body."""
        await self._database.write(lambda connection: self._add(connection, bodies))

    def _add(self, connection: Connection, bodies: Sequence[tuple[str, str, str]]) -> None:
        rows = [{"model": model, "job_id": job, "body": body} for model, job, body in bodies]
        if rows:
            connection.execute(insert(messages).values(visible=self._database.steady()), rows)

    async def tidy(self) -> None:
        """See the port. Such messages are there after a crash in which the clock's file was damaged, too."""
        now = self._database.steady()
        late = messages.c.visible > now + 2 * self._visibility_s + LONGEST_DELAY_S
        statement = update(messages).where(late).values(visible=now)
        if await self._database.read(lambda connection: connection.execute(select(messages.c.id).where(late)).first()):
            await self._database.write(lambda connection: connection.execute(statement))

    async def receive(self, model: str, limit: int, wait_s: float) -> Sequence[Lease]:
        """See the port."""
        until, pause_s = time.monotonic() + wait_s, FIRST_PAUSE_S
        while True:
            # Looking takes no lock; only for what was seen do processes compete.
            if await self._database.read(lambda connection: connection.execute(self._ready(model).limit(1)).first()):
                leases = await self._database.write(lambda connection: self._lease(connection, model, limit))
                if leases:
                    return leases
            remaining_s = until - time.monotonic()
            if remaining_s <= 0:
                return []
            await asyncio.sleep(min(pause_s, remaining_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _lease(self, connection: Connection, model: str, limit: int) -> list[Lease]:
        leases = []
        # Rows that another is leasing at this moment are passed over; SQLite has one that writes at a time.
        for row in connection.execute(self._ready(model).limit(limit).with_for_update(skip_locked=True)).all():
            receipt = f"{row.id}.{secrets.token_hex(8)}"
            deliveries = row.deliveries + 1
            values = {
                "receipt": receipt,
                "deliveries": deliveries,
                "visible": self._database.steady() + self._visibility_s,
            }
            connection.execute(update(messages).where(messages.c.id == row.id).values(values))
            leases.append(Lease(row.model, row.body, receipt, deliveries))
        return leases

    def _ready(self, model: str) -> Any:  # noqa: ANN401 - Select has no useful type arguments here
        """The messages of a model that may be received now, in the order in which they became so."""
        order = (messages.c.visible, messages.c.id)
        now = self._database.steady()
        return select(messages).where(messages.c.model == model, messages.c.visible <= now).order_by(*order)

    async def extend(self, lease: Lease, seconds: float) -> None:
        """See the port."""
        await self._change(lease, update(messages).values(visible=self._database.steady() + seconds))

    async def release(self, lease: Lease, delay_s: float) -> None:
        """See the port."""
        await self._change(lease, update(messages).values(visible=self._database.steady() + delay_s, receipt=None))

    async def _change(self, lease: Lease, statement: Update) -> None:
        await self._database.write(lambda connection: connection.execute(statement.where(_held(lease))))

    async def acknowledge(self, lease: Lease) -> None:
        """See the port."""
        await self._database.write(lambda connection: connection.execute(delete(messages).where(_held(lease))))

    async def bury(self, lease: Lease, reason: str) -> None:
        """See the port."""

        def work(connection: Connection) -> None:
            if connection.execute(delete(messages).where(_held(lease))).rowcount:
                letter = {"model": lease.model, "body": lease.body, "reason": reason, "buried": time.time()}
                connection.execute(insert(dead_letters).values(letter))

        await self._database.write(work)

    async def backlog(self) -> Mapping[str, Backlog]:
        """See the port."""
        leased = and_(messages.c.receipt.is_not(None), messages.c.visible > self._database.steady())
        alive = select(messages.c.model, func.count(), func.count().filter(leased)).group_by(messages.c.model)
        dead = select(dead_letters.c.model, func.count()).group_by(dead_letters.c.model)

        def work(connection: Connection) -> Mapping[str, Backlog]:
            live = {row[0]: row for row in connection.execute(alive)}
            gone = {row[0]: row[1] for row in connection.execute(dead)}
            found = {}
            for model in live.keys() | gone.keys():
                _, total, in_flight = live.get(model, (model, 0, 0))
                found[model] = Backlog(total - in_flight, in_flight, gone.get(model, 0))
            return found

        return await self._database.read(work)

    async def ahead(self, job_id: str, model: str) -> int | None:
        """See the port."""
        place = tuple_(messages.c.visible, messages.c.id)
        first = select(messages.c.visible, messages.c.id).where(messages.c.job_id == job_id)

        def work(connection: Connection) -> int | None:
            own = connection.execute(first.order_by(messages.c.visible, messages.c.id).limit(1)).first()
            if own is None:
                return None
            before = and_(messages.c.model == model, messages.c.visible <= own.visible, place < tuple_(*own))
            return connection.execute(select(func.count()).select_from(messages).where(before)).scalar_one()

        return await self._database.read(work)

    async def dead(self, limit: int) -> Sequence[DeadLetter]:
        """See the port."""
        newest = select(dead_letters).order_by(dead_letters.c.buried.desc(), dead_letters.c.id.desc()).limit(limit)

        def work(connection: Connection) -> Sequence[DeadLetter]:
            return [DeadLetter(row.model, row.body, row.reason) for row in connection.execute(newest)]

        return await self._database.read(work)


def _held(lease: Lease) -> Any:  # noqa: ANN401 - a column's truth, whose type is SQLAlchemy's own
    """Whether the lease is the newest of its message; its id comes first, since it has an index."""
    number = int(lease.receipt.partition(".")[0])
    return and_(messages.c.id == number, messages.c.receipt == lease.receipt)
