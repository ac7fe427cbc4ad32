"""The base class of all errors, and the two kinds of error."""

from typing import ClassVar


class PlatformError(Exception):
    """Base of all errors that reach a caller, rendered as RFC 9457 problem details."""

    status: ClassVar[int]
    code: ClassVar[str]  # what happened, for programs; never changes
    title: ClassVar[str]
    advice: ClassVar[str]
    retry_after_s: int | None = None
    challenge: ClassVar[str | None] = None  # the WWW-Authenticate header that RFC 9110 requires with every 401

    @property
    def detail(self) -> str:
        """What happened and what to do, in words for the caller."""
        return f"{self.args[0]} {self.advice}" if self.args else self.advice


class RequestError(PlatformError):
    """The request cannot be answered as it is; sending it again changes nothing."""


class ServiceError(PlatformError):
    """The service cannot answer now; the request may be fine."""

    retry_after_s: int | None = 1


def all_errors(base: type[PlatformError] = PlatformError) -> list[type[PlatformError]]:
    """All concrete error classes, ordered by status and code."""
    found = [base] if "code" in vars(base) else []
    for child in base.__subclasses__():
        found += all_errors(child)
    return sorted(found, key=lambda error: (error.status, error.code))
