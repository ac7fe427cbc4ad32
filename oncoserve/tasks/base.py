"""What a task is: it turns a picture into inference requests and their answers into a result. Pure numpy and Pillow."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from oncoserve.inference.backend import ModelConfiguration, Tensors
from oncoserve.pictures.orientation import AS_IT_LIES, Frame
from oncoserve.pictures.picture import Header, Picture
from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.card import Card, ModelClass, Weights
from oncoserve.tasks.parameters import Parameters, PictureParameters
from oncoserve.tasks.regions.components import Mask

THRESHOLD: Final = "Least probability of a class, or least score of a box; left out, the card's."

FrameName = Annotated[
    Literal["file", "upright"],
    Field(
        description="Whose pixels it lies on, where EXIF says that the file's lie turned: those of the file, as QuPath "
        "and others show them, or those of the upright picture, as in the result and on the page."
    ),
]


class RenderingOptions(Parameters):
    """How a rendering is made."""

    frame: FrameName = "file"
    """Whose pixels it lies on."""

    def place(self, image: Mapping[str, Any]) -> Frame:
        """The way to the pixels that are asked for.

        Args:
            image: the result's. One that was stored before it said its orientation counts as not turned.
        """
        orientation = image.get("orientation", AS_IT_LIES) if self.frame == "file" else AS_IT_LIES
        return Frame(orientation, image["width"], image["height"])


class OverlayOptions(RenderingOptions):
    """How an overlay is drawn. It is to be looked at, so it is upright unless asked otherwise."""

    frame: FrameName = "upright"

    opacity: float = Field(default=0.5, ge=0, le=1)
    """Opacity of the strongest part of the overlay."""

    base: Literal["picture", "none"] = "picture"
    """What lies below: the picture, or nothing (a transparent layer for a viewer)."""


@dataclass(frozen=True)
class Stored:
    """A stored result, from which everything that is shown of it can be made without inference.

    Attributes:
        document: the JSON document.
        files: what `TaskResult.artefacts` held, by file name.
        card: the model's card.
        picture: decodes the original.
        corrections: ids of the objects that a person excluded, by the view that they were seen in, as JSON.
        secret: reads what the pseudonyms of its owner's deidentified files are keyed with.
    """

    document: Mapping[str, Any]
    files: Mapping[str, bytes]
    card: Card
    picture: Callable[[], Picture]
    corrections: Mapping[str, Collection[str]] = field(default_factory=dict)
    secret: Callable[[], bytes] = bytes

    def excluded(self, view: Parameters) -> frozenset[str]:
        """Ids of the objects that are excluded in this view."""
        return frozenset(self.corrections.get(view.model_dump_json(), ()))


@dataclass(frozen=True)
class Layer:
    """An overlay without its colours, which a viewer adds: they can follow its controls without another request.

    Attributes:
        kind: "classes": a channel per class, in which it competes with the others; the first class whose strength is
            over the threshold, 255 times it, gives the colour. "strongest": the number of the strongest class, its
            strength, and the number of the class where that is not over the threshold; 1 is the card's first class, 0
            none. "heat": one channel; the strength gives colour and opacity.
        strengths: makes (h, w, 3) or, for "heat", (h, w) uint8 on a grid of its own that covers the ORIGINAL. Does CPU
            work; called from threads.
        legend: what the viewer needs to know of this model's card.
    """

    kind: Literal["classes", "strongest", "heat"]
    strengths: Callable[[Stored], NDArray[np.uint8]]
    legend: Callable[[Card], dict[str, Any]]


@dataclass(frozen=True)
class Rendering:
    """One file that is made from a stored result when somebody asks for it.

    Attributes:
        name: the file's name in the result's address.
        media_type: what it is.
        summary: what it shows, for the API's document.
        options: how it can be drawn.
        draw: makes it: an UPRIGHT image, which is turned as asked and encoded as PNG, or text in pieces, in the frame
            that was asked for, or the file itself. Does CPU work; called from threads.
        layer: the same without colours, where an overlay has such a form.
        objects: ids of the objects in it, where these can be excluded by a person. Does CPU work.
        masks: of a mask, the classes that are there, each with its own UPRIGHT (H, W) of the ORIGINAL, before one is
            painted over the other. Does CPU work.
    """

    name: str
    media_type: str
    summary: str
    options: type[Parameters]
    draw: Callable[[Stored, Any], Image.Image | Iterator[str] | bytes]
    layer: Layer | None = None
    objects: Callable[[Stored, Any], Collection[str]] | None = None
    masks: Callable[[Stored, Any], Sequence[tuple[ModelClass, Mask]]] | None = None

    @property
    def kind(self) -> str:
        """What it is: its name without the ending."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class ServedModel:
    """A model that is ready: its card, what the server runs, and the task that joins them."""

    card: Card
    configuration: ModelConfiguration
    model_sha256: str | None
    task: "Task"
    precision: str | None = None
    recorded_weights: Weights | None = None

    @property
    def name(self) -> str:
        """The model's name, the same in card, configuration and addresses."""
        return self.card.name

    @property
    def version(self) -> str:
        """The version that the server answers with."""
        return self.configuration.version

    @property
    def files(self) -> dict[str, str]:
        """The files that can be made of each of its results, by what they are: "overlay" -> "overlay.png"."""
        return {each.kind: each.name for each in self.task.renderings(self.card)}

    @property
    def weights(self) -> Weights:
        """What this version was made from: by its export's record, or else by the card."""
        origin = self.card.origin
        return self.recorded_weights or Weights(f"{origin.package} {origin.version}", origin.sha256)


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


@dataclass(frozen=True)
class Demand:
    """What a picture will take, told from its header.

    Attributes:
        requests: inference requests, at most.
        planning_bytes: memory beside the decoded picture until the first request is made.
        bytes: memory from then on until the result is there, the picture is no part of it.
    """

    requests: int = 1
    planning_bytes: int = 0
    bytes: int = 0


class Plan(Protocol):
    """One picture on its way through a model. Its methods do CPU work, mostly in threads, and are called one by one.

    The picture's pixels are there until the first request has been made.
    """

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
    parameters: ClassVar[type[PictureParameters]]
    """What the caller may give with a picture; another value is another result."""
    view: ClassVar[type[Parameters]]
    """What the caller may give when a stored result is read; costs no inference."""
    all_renderings: ClassVar[tuple[Rendering, ...]]

    quick: ClassVar[bool]
    """Whether its own work takes a few milliseconds: to plan for a small picture, and to read any answer."""

    parts: ClassVar[frozenset[str]]
    """The card's parts that it reads, of those that only some tasks do."""

    def limits(self, card: Card) -> Mapping[str, Any]:
        """What decides whether an answer names a class; empty where each does. Other limits make other results."""
        ...

    def outputs(self, card: Card) -> frozenset[str]:
        """Names of the outputs that it reads of this model; those of other versions may be configured beside them."""
        ...

    def mismatches(self, card: Card, configuration: ModelConfiguration) -> list[str]:
        """Where card and configuration do not fit each other or this task: "expected ... got ..." each."""
        ...

    def demand(self, header: Header, model: ServedModel, parameters: Any) -> Demand:  # noqa: ANN401 - its `parameters`
        """What a picture will take, before it is decoded.

        Raises:
            PlatformError: what `plan` would raise, as far as the header tells.
        """
        ...

    def drawing_bytes(self, model: ServedModel, document: Mapping[str, Any], *, text: bool) -> int:
        """What drawing a stored result takes at most beside its picture and its files, in memory."""
        ...

    def plan(self, picture: Picture, model: ServedModel, parameters: Any) -> Plan:  # noqa: ANN401 - its `parameters`
        """Start work on a picture."""
        ...

    def renderings(self, card: Card) -> tuple[Rendering, ...]:
        """What can be drawn of this model's results."""
        ...

    def settled(self, view: Any, card: Card) -> Parameters:  # noqa: ANN401 - its `view`
        """The view with what the card says where the caller says nothing: what is excluded in it is kept under this."""
        ...

    def review(self, stored: Stored, view: Any) -> dict[str, Any]:  # noqa: ANN401 - its `view`
        """The fields of the document that change when a stored result is read with `view`."""
        ...

    def finding(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The few numbers of a stored result that a list shows; fields that older results lack are None."""
        ...
