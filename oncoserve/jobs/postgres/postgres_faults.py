"""What a refusal of PostgreSQL means, in words for whoever set the service up."""

from collections.abc import Iterator, Mapping
from socket import gaierror
from ssl import SSLError
from types import MappingProxyType
from typing import Final

from sqlalchemy.exc import TimeoutError as PoolTimeout

# PostgreSQL's own codes of errors, and of kinds of them.
BY_CODE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "28P01": "it refuses the password",
        "28000": "it refuses this user",
        "3D000": "it has no database {database!r}",
        "42501": "the user may not do this in the database {database!r}",
        "53100": "it has no room left on its disk",
        "53300": "it has as many connections as it may have",
        "57P01": "it is shutting down",
        "57P02": "it is being restarted after a crash",
        "57P03": "it is starting",
        "57014": "the statement took too long",
        "25P03": "the transaction took too long",
        "25006": "it takes no writes: it is a standby",
    }
)

# What the driver, or Python, met; the innermost causes first.
BY_KIND: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (gaierror, "its host name is not known"),
    (ConnectionRefusedError, "nothing listens at its address"),
    (SSLError, "its certificate is not one that is trusted here"),
    (TimeoutError, "it did not answer in time"),
    (PoolTimeout, "it did not answer in time"),
    (FileNotFoundError, "the file with its password cannot be read"),
)
AWAY: Final = "it cannot be reached"


def said_by(error: BaseException | None, database: str) -> str:
    """A few words: no addresses or values, which the server's own have.

    Args:
        error: the driver's.
        database: its name.
    """
    said = error.args[0] if error is not None and error.args else None
    if isinstance(said, dict):
        code = str(said.get("C", ""))
        return f"PostgreSQL: {BY_CODE.get(code, 'it answered with error {code}').format(database=database, code=code)}"
    if "refuses SSL" in str(error):  # the driver has no kind of its own for it
        return "PostgreSQL: it speaks no TLS"
    kinds = {type(each) for each in _causes(error)}
    return (
        f"PostgreSQL: {next((words for kind, words in BY_KIND if any(issubclass(each, kind) for each in kinds)), AWAY)}"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
