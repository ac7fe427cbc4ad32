"""What queue and records need of a database, beside the SQL that all have in common."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection

T = TypeVar("T")


class SqlDatabase(Protocol):
    """Transactions in threads, and what each kind of database says in its own words.

    Times are SQL expressions, seconds since 1970: of the database's own clock where it has one that all machines share.
    """

    @property
    def finding(self) -> ColumnElement[str | None]:
        """What an image's outcome came to, as one value: images of a job are counted by it."""
        ...

    def steady(self) -> ColumnElement[float]:
        """For leases."""
        ...

    def now(self) -> ColumnElement[float]:
        """For ages."""
        ...

    def wall(self) -> ColumnElement[float]:
        """For people."""
        ...

    def alone(self, connection: Connection, what: str) -> None:
        """Let nobody else be past this line for the same `what` until the transaction ends."""
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that only reads.

        Raises:
            JobsUnavailable: the database does not answer.
        """
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that writes; when it returns, what it wrote survives a loss of power.

        `work` may be run again from the start where the database asks for it.

        Raises:
            JobsUnavailable: the database does not answer.
        """
        ...

    async def forget(self) -> None:
        """Remove what was deleted from the database's logs too, where that can be done."""
        ...
