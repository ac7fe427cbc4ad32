"""The records of jobs in tables."""

import contextlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, and_, case, delete, exists, func, insert, select, tuple_, update

from oncoserve.errors import InvalidParameter, JobsUnavailable
from oncoserve.jobs.finding import finding_in
from oncoserve.jobs.job import ImageMessage, Job, JobFinding, JobImage, JobRecord, Outcome, Progress, State
from oncoserve.jobs.ports import Page
from oncoserve.jobs.queue_room import Queued, Room
from oncoserve.jobs.sql.job_tables import images, jobs
from oncoserve.jobs.sql.job_tables import messages as waiting
from oncoserve.jobs.sql.sql_database import SqlDatabase
from oncoserve.jobs.sql.sql_queue import SqlQueue

CURSOR = re.compile(r"(\d{1,12}\.\d{1,9})_([0-9a-f]{32})", re.ASCII)
OUTCOME = TypeAdapter(Outcome)
OPEN = images.c.state.in_([State.QUEUED, State.RUNNING])
SWEPT_AT_ONCE = 200  # jobs per transaction, so that other transactions get a turn


class SqlStore:
    """A JobStore in a database.

    Args:
        database: shared with the queue.
        queue: gets a job's messages.
    """

    def __init__(self, database: SqlDatabase, queue: SqlQueue) -> None:
        self._database = database
        self._queue = queue

    async def create(self, job: Job, messages: Sequence[ImageMessage] = (), room: Room | None = None) -> None:
        """See the port. Record and messages are one transaction."""
        record = job.record
        row = {
            "id": record.id,
            "owner": record.owner or "",
            "model": record.model,
            "parameters": json.dumps(dict(record.parameters)),
            "created": record.created.timestamp(),
            "updated": record.updated.timestamp(),
            "expires": record.expires.timestamp(),
        }
        rows = [
            {
                "job_id": record.id,
                "place": place,
                "name": image.name,
                "object": image.object,
                "state": image.state,
                "attempts": image.attempts,
                "outcome": None if image.outcome is None else _written(image.outcome),
            }
            for place, image in enumerate(job.images)
        ]

        def work(connection: Connection) -> None:
            if room is not None:
                self._database.alone(connection, "room")  # or two would both find the last of it
                room.check(_queued(connection, record.owner), len(messages))
            connection.execute(insert(jobs).values(row))
            if rows:
                connection.execute(insert(images), rows)
            self._queue.add(connection, messages)

        await self._database.write(work)

    async def queued(self, owner: str | None) -> Queued:
        """See the port."""
        return await self._database.read(lambda connection: _queued(connection, owner))

    async def known(self, job_ids: Sequence[str]) -> Collection[str]:
        """See the port."""
        found: set[str] = set()

        def work(connection: Connection) -> None:
            for start in range(0, len(job_ids), SWEPT_AT_ONCE):
                some = job_ids[start : start + SWEPT_AT_ONCE]
                found.update(connection.execute(select(jobs.c.id).where(jobs.c.id.in_(some))).scalars())

        await self._database.read(work)
        return found

    async def results_in_use(self) -> Collection[str]:
        """See the port."""
        unended = select(images.c.job_id).where(OPEN)
        ended = select(images.c.outcome).where(images.c.outcome.is_not(None), images.c.job_id.in_(unended))

        def work(connection: Connection) -> Collection[str]:
            return {json.loads(text).get("result") or "" for text in connection.execute(ended).scalars()}

        return await self._database.read(work)

    async def get(self, job_id: str) -> Job | None:
        """See the port."""

        def work(connection: Connection) -> Job | None:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
            if row is None:
                return None
            own = select(images).where(images.c.job_id == job_id).order_by(images.c.place)
            found = tuple(_image(each) for each in connection.execute(own))
            finding = JobFinding.of((None if each.outcome is None else each.outcome.finding, 1) for each in found)
            return Job(_record(row, [image.state for image in found], finding), found)

        return await self._database.read(work)

    async def page(self, owner: str | None, cursor: str | None, limit: int) -> Page:
        """See the port."""
        newest = select(jobs).where(jobs.c.owner == (owner or ""))
        if cursor is not None:
            match = CURSOR.fullmatch(cursor)
            if match is None:
                raise InvalidParameter(f"'cursor' is {cursor[:64]!r}, which is not a cursor of this service.")
            newest = newest.where(tuple_(jobs.c.created, jobs.c.id) < tuple_(float(match[1]), match[2]))
        newest = newest.order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit + 1)

        def work(connection: Connection) -> Page:
            rows = connection.execute(newest).all()
            more = len(rows) > limit
            last = rows[limit - 1] if more else None
            summaries = self._summaries(connection, [row.id for row in rows[:limit]])
            records = [_record(row, *summaries[row.id]) for row in rows[:limit]]
            return Page(records, None if last is None else f"{last.created:.6f}_{last.id}")

        return await self._database.read(work)

    def _summaries(
        self, connection: Connection, job_ids: Sequence[str]
    ) -> dict[str, tuple[Sequence[State], JobFinding | None]]:
        """The states of all images of these jobs, and what they came to.

        The database counts: a list may be of jobs with a hundred thousand images, and the page asks for it often.
        """
        alike = images.c.job_id, images.c.state, self._database.finding
        counts = select(*alike[:2], func.count(), func.max(images.c.outcome)).where(images.c.job_id.in_(job_ids))
        states: dict[str, list[State]] = {each: [] for each in job_ids}
        findings: dict[str, list[tuple[Mapping[str, Any] | None, int]]] = {each: [] for each in job_ids}
        for job_id, state, count, outcome in connection.execute(counts.group_by(*alike)):
            states[job_id] += count * [State(state)]
            findings[job_id].append((finding_in(outcome), count))
        return {each: (states[each], JobFinding.of(findings[each])) for each in job_ids}

    async def begin(self, job_id: str, index: int) -> int | None:
        """See the port."""
        alive = exists().where(jobs.c.id == job_id, jobs.c.expires > self._database.now())
        statement = (
            update(images)
            .where(_at(job_id, index), OPEN, alive)
            .values(state=State.RUNNING, attempts=images.c.attempts + 1)
            .returning(images.c.attempts)
        )

        def work(connection: Connection) -> int | None:
            attempts = connection.execute(statement).scalar_one_or_none()
            if attempts is not None:
                self._touch(connection, job_id)
            return attempts

        return await self._database.write(work)

    async def withdraw(self, job_id: str, index: int, *, counted: bool) -> None:
        """See the port."""
        attempts = case((images.c.attempts > 0, images.c.attempts - (0 if counted else 1)), else_=0)
        running = and_(_at(job_id, index), images.c.state == State.RUNNING)
        statement = update(images).where(running).values(state=State.QUEUED, attempts=attempts)
        await self._database.write(lambda connection: connection.execute(statement))

    async def finish(self, job_id: str, index: int, outcome: Outcome) -> bool:
        """See the port."""
        text = _written(outcome)
        statement = update(images).where(_at(job_id, index), OPEN).values(state=outcome.state, outcome=text)

        def work(connection: Connection) -> bool:
            first = bool(connection.execute(statement).rowcount)
            if first:
                self._touch(connection, job_id)
            return first

        return await self._database.write(work)

    def _touch(self, connection: Connection, job_id: str) -> None:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(updated=self._database.wall()))

    async def delete(self, job_id: str) -> None:
        """See the port."""
        await self._database.write(lambda connection: _remove(connection, [job_id]))
        with contextlib.suppress(JobsUnavailable):  # it is gone; the sweep forgets it
            await self._database.forget()

    async def sweep(self, expired_before: datetime, gone_before: datetime) -> Sequence[str]:
        """See the port."""
        objects: list[str] = []
        stale = select(jobs.c.id).where(jobs.c.swept == 0, jobs.c.expires < expired_before.timestamp())
        old = select(jobs.c.id).where(jobs.c.swept == 1, jobs.c.expires < gone_before.timestamp())

        def work(connection: Connection) -> int:
            expired = connection.execute(stale.limit(SWEPT_AT_ONCE)).scalars().all()
            own = images.c.job_id.in_(expired)
            objects.extend(connection.execute(select(images.c.object).where(own, images.c.object != "")).scalars())
            connection.execute(update(images).where(own).values(name="", object="", outcome=None))
            connection.execute(update(jobs).where(jobs.c.id.in_(expired)).values(swept=1))
            gone = connection.execute(old.limit(SWEPT_AT_ONCE)).scalars().all()
            _remove(connection, gone)
            return len(expired) + len(gone)

        while await self._database.write(work):
            pass
        await self._database.forget()
        return objects


def _written(outcome: Outcome) -> str:
    """JSON without NUL, which a file's own words may have and PostgreSQL's JSON may not."""
    return OUTCOME.dump_json(outcome).decode().replace("\\u0000", "\\ufffd")


def _at(job_id: str, index: int) -> Any:  # noqa: ANN401 - a column's truth, whose type is SQLAlchemy's own
    return and_(images.c.job_id == job_id, images.c.place == index)


def _queued(connection: Connection, owner: str | None) -> Queued:
    total = connection.execute(select(func.count()).select_from(waiting)).scalar_one()
    own = select(func.count()).select_from(waiting).join(jobs, jobs.c.id == waiting.c.job_id)
    return Queued(connection.execute(own.where(jobs.c.owner == (owner or ""))).scalar_one(), total)


def _remove(connection: Connection, job_ids: Sequence[str]) -> None:
    connection.execute(delete(waiting).where(waiting.c.job_id.in_(job_ids)))  # they would count as images that wait
    connection.execute(delete(images).where(images.c.job_id.in_(job_ids)))
    connection.execute(delete(jobs).where(jobs.c.id.in_(job_ids)))


def _record(row: Row[Any], states: Sequence[State], finding: JobFinding | None) -> JobRecord:
    created, updated, expires = (
        datetime.fromtimestamp(seconds, UTC) for seconds in (row.created, row.updated, row.expires)
    )
    parameters, owner = json.loads(row.parameters), row.owner or None
    progress = Progress.of(states)
    return JobRecord(row.id, owner, row.model, parameters, created, updated, expires, progress, finding)


def _image(row: Row[Any]) -> JobImage:
    outcome = None if row.outcome is None else OUTCOME.validate_json(row.outcome)
    return JobImage(row.name, row.object, State(row.state), row.attempts, outcome)
