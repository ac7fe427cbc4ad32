"""One picture under way: what is known of it from step to step."""

from collections.abc import Iterator
from dataclasses import dataclass

from oncoserve.inference.backend import Tensors
from oncoserve.pictures.picture import Header, Picture
from oncoserve.prediction.admission import Place
from oncoserve.prediction.caller import Caller
from oncoserve.prediction.question import Question
from oncoserve.runtime.budget import Share
from oncoserve.runtime.timings import Timings
from oncoserve.tasks.base import Demand, Plan

QUICK_FILE_BYTES = 2**16
"""A file above it is opened in a thread. Python reads a file's parts one by one, some 600 ns a byte at worst."""


@dataclass(frozen=True)
class Work:
    """One picture under way: what is asked, by whom, and what it takes of the service."""

    question: Question
    caller: Caller
    place: Place
    share: Share
    timings: Timings

    @property
    def quick(self) -> bool:
        """Whether it may be opened where it is, unless its header says otherwise."""
        return self.question.model.task.quick and len(self.question.data) <= QUICK_FILE_BYTES


@dataclass(frozen=True)
class Sized:
    """A picture that is not decoded yet, and what it will take."""

    header: Header
    demand: Demand
    file_bytes: int

    @property
    def bytes(self) -> int:
        """Memory until the first inference request is made: the cleaned file among it."""
        pixels = 3 * self.header.width * self.header.height  # once it is an array
        return max(self.header.decoding_bytes, pixels + self.demand.planning_bytes) + self.file_bytes


@dataclass(frozen=True)
class Opened:
    """A picture that is ready for inference."""

    picture: Picture
    clean: bytes
    plan: Plan
    requests: Iterator[Tensors]
    sized: Sized
