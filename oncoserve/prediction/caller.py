"""Who asks, how urgently, and how long they wait."""

from dataclasses import dataclass, field

from oncoserve.prediction.admission import Lane
from oncoserve.prediction.deadline import Deadline


@dataclass(frozen=True)
class Caller:
    """One request's caller.

    Attributes:
        owner: the name of the API key, whose results are its own; None where there are no keys.
        lane: whether somebody waits for the answer.
        deadline: when they stop waiting.
        any_version: whether another version may answer, should the one that was found be taken away meanwhile.
    """

    owner: str | None = None
    lane: Lane = Lane.INTERACTIVE
    deadline: Deadline = field(default_factory=Deadline)
    any_version: bool = True
