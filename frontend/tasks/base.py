"""What a task is: it turns a picture into inference requests and their answers into a result. Pure numpy and Pillow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from frontend.backend import ModelConfiguration, Tensors
from frontend.cards import Card
from frontend.images import Picture, Warn


class Parameters(BaseModel):
    """A task's parameters as the caller gives them; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OverlayOptions(Parameters):
    """How an overlay is drawn."""

    opacity: float = Field(default=0.5, ge=0, le=1)
    """Opacity of the strongest part of the overlay."""

    base: Literal["picture", "none"] = "picture"
    """What lies below: the picture, or nothing (a transparent layer for a viewer)."""


@dataclass(frozen=True)
class ServedModel:
    """A model that is ready: its card, what the server runs, and the task that joins them."""

    card: Card
    configuration: ModelConfiguration
    model_sha256: str | None
    task: "Task"

    @property
    def name(self) -> str:
        """The model's name, the same in card, configuration and addresses."""
        return self.card.name

    @property
    def version(self) -> str:
        """The version that the server answers with."""
        return self.configuration.version


@dataclass(frozen=True)
class TaskResult:
    """What a task found.

    Attributes:
        document: the task's own fields of the JSON result.
        artefacts: what re-rendering needs, file name to bytes; stored beside the result.
        warnings: what makes the result doubtful.
    """

    document: dict[str, Any]
    artefacts: dict[str, bytes] = field(default_factory=dict)
    warnings: tuple[Warn, ...] = ()


class Plan(Protocol):
    """One picture on its way through a model. Its methods do CPU work and are called from threads, one at a time."""

    outputs: Sequence[str]
    count: int

    def requests(self) -> Iterator[Tensors]:
        """The `count` inference requests, each a batch of one or more, made one by one as they are sent."""
        ...

    def accept(self, index: int, answer: Tensors) -> None:
        """Take the answer to request `index`; answers may come in any order.

        Raises:
            InferenceFailed: the answer is not what the model's configuration promises.
        """
        ...

    def result(self) -> TaskResult:
        """The result, when every answer has been taken."""
        ...


class Task(Protocol):
    """A kind of question."""

    kind: ClassVar[str]
    parameters: ClassVar[type[Parameters]]

    def mismatches(self, card: Card, configuration: ModelConfiguration) -> list[str]:
        """Where card and configuration do not fit each other or this task: "expected ... got ..." each."""
        ...

    def plan(self, picture: Picture, model: ServedModel, parameters: Parameters) -> Plan:
        """Start work on a picture."""
        ...

    def overlay(
        self, picture: Picture, artefacts: Mapping[str, bytes], card: Card, options: OverlayOptions
    ) -> Image.Image | None:
        """Draw the result over the picture.

        Args:
            picture: the original.
            artefacts: what `TaskResult.artefacts` held.
            card: the model's card.
            options: how to draw.

        Returns:
            An image of the picture's size, RGB with the picture below or RGBA without it, or None when the result
            has nothing to draw.
        """
        ...
