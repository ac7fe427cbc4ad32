"""Jobs from one database into another, with their pictures; for a service that moves, while nobody works on them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert, select

from oncoserve.errors import UploadNotFound
from oncoserve.jobs.ports import ObjectStore
from oncoserve.jobs.sql.job_tables import dead_letters, images, jobs, messages
from oncoserve.jobs.sql.sql_database import SqlDatabase

Rows = Sequence[dict[str, Any]]


async def copy_jobs(
    source: tuple[SqlDatabase, ObjectStore],
    target: tuple[SqlDatabase, ObjectStore],
    tell: Callable[[int], None] = lambda _: None,
) -> int:
    """Copy jobs that are not there yet: their records, what waits of them, the pictures of that, and dead letters.

    A job is there with all that belongs to it, or not at all; begun again, it goes on with the next.

    Args:
        source: is left as it is.
        target: keeps what it has.
        tell: hears after each job how many were copied.

    Returns:
        The number of jobs that were copied.

    Raises:
        JobsUnavailable
    """
    copied = 0
    there = {*await target[0].read(_ids)}
    for job_id in await source[0].read(_ids):
        if job_id in there:
            continue
        job, own, waiting = await source[0].read(partial(_of, job_id=job_id))
        for key in {row["object"] for row in own if row["object"]}:
            try:
                await target[1].put(key, await source[1].get(key))
            except UploadNotFound:  # its image has ended
                continue
        await target[0].write(partial(_insert, target[0], rows=(job, own, waiting)))
        copied += 1
        tell(copied)
    await _copy_letters(source[0], target[0])
    return copied


def _ids(connection: Connection) -> Sequence[str]:
    return connection.execute(select(jobs.c.id).order_by(jobs.c.created, jobs.c.id)).scalars().all()


def _of(connection: Connection, job_id: str) -> tuple[Rows, Rows, Rows]:
    job = _rows(connection, select(jobs).where(jobs.c.id == job_id))
    own = _rows(connection, select(images).where(images.c.job_id == job_id))
    # Whoever had leased them is of the old service: they are free, and were handed out as often as they were.
    kept = messages.c.model, messages.c.job_id, messages.c.body, messages.c.deliveries
    return job, own, _rows(connection, select(*kept).where(messages.c.job_id == job_id).order_by(messages.c.id))


def _insert(target: SqlDatabase, connection: Connection, rows: tuple[Rows, Rows, Rows]) -> None:
    job, own, waiting = rows
    connection.execute(insert(jobs), job)
    if own:
        connection.execute(insert(images), own)
    if waiting:
        connection.execute(insert(messages).values(visible=target.steady()), waiting)


def _rows(connection: Connection, statement: Any) -> Rows:  # noqa: ANN401 - Select has no useful type arguments here
    return [dict(row) for row in connection.execute(statement).mappings()]


async def _copy_letters(source: SqlDatabase, target: SqlDatabase) -> None:
    kept = dead_letters.c.model, dead_letters.c.body, dead_letters.c.reason, dead_letters.c.buried
    letters = await source.read(lambda connection: _rows(connection, select(*kept).order_by(dead_letters.c.id)))
    there = await target.read(lambda connection: _rows(connection, select(*kept)))
    missing = [each for each in letters if each not in there]
    if missing:
        await target.write(lambda connection: connection.execute(insert(dead_letters), missing))
