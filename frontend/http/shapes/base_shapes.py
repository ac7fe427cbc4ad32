"""The shape that all others are, and that of an error."""

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """What is written down here, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """An error (RFC 9457). `code` is stable; `detail` says what happened and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
