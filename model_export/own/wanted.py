"""What has to be known of somebody's own model, said by options or in a TOML file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from model_export.own.own_errors import OwnModelError
from oncoserve.tasks.card import Colour, Name, Probability

LEAST_STD: Final = 1e-6
PATTERNS: Final = {
    "name": "1 to 63 of a-z, 0-9 and _, and not begin with _",
    **dict.fromkeys(
        ("classes", "background", "thresholds"),
        "1 to 64 letters of A-Z and a-z, digits, _ . - and begin with none of these three",
    ),
}
"""What names may be, in words."""
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,62}$")]
"""Triton's name of the model, and the name of its folder, its addresses and its queue."""
LEAST_SIDE, MOST_SIDE = 8, 4096
"""Of a graph's input, pixels."""
Side = Annotated[int, Field(ge=LEAST_SIDE, le=MOST_SIDE)]
PerChannel = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]], Field(min_length=1, max_length=3)
]
"""One number for each channel, or one for all of them."""


Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""For the card and the page."""


OF_TASKS: Final = {
    "classification": frozenset({"least_probability", "thresholds", "fit", "crop_share", "labels"}),
    "segmentation": frozenset(
        {"background", "threshold", "um_per_px", "tiles", "overlap", "steps", "fit", "crop_share", "labels"}
    ),
    "detection": frozenset(
        {"background", "threshold", "decode", "boxes", "box_units", "most_overlap", "fit", "crop_share"}
    ),
    "delineation": frozenset({"least_probability", "least_mask", "least_seen", "outlined"}),
}
"""What is said of models of some tasks alone."""


class Wanted(BaseModel):
    """What somebody says of the model; None where the graph itself may tell.

    Attributes:
        name: The model's.
        task: What it answers.
        classes: In the order of the output's channels.
        background: The one of them that is none: of a segmenter or a detector, whose channel names nothing.
        layout: Where the graph wants the colour channels.
        colours: Their order.
        scale: What a pixel value (0 to 255) is multiplied with first.
        mean: What is taken off each channel then, in the order of `colours`.
        std: What each channel is divided by at last.
        width: Pixels, where the graph leaves them open.
        height: Pixels, where the graph leaves them open.
        outputs: Those of the graph that are read, by name; all of them where none is named.
        answers: Whether the graph's output are logits, to which a softmax or sigmoid is added, or probabilities.
        labels: Whether the classes exclude each other.
        least_probability, thresholds: see `oncoserve.tasks.card.Labelling`.
        least_mask, least_seen, outlined: see `oncoserve.tasks.card.Delineation`.
        fit, crop_share: see `oncoserve.tasks.card.Preprocessing`.
        padding: What lies beside a picture that does not fill the input, and under transparent pixels.
        threshold: Least probability of a pixel's class, or least score of a box, where the caller gives none.
        um_per_px: Micrometres per pixel that a segmenter sees; the picture is cut into tiles then.
        tiles: Whether a segmenter's picture is cut into tiles as it is.
        overlap: Of tiles, pixels; left out, half a tile.
        steps: See `oncoserve.tasks.card.Segmentation`.
        decode: How a detector gives boxes; see `model_export.own.heads.box_head`.
        boxes: What the numbers of a box are: see `model_export.own.heads.box_head`.
        box_units: Pixels of the input, or shares of it.
        most_overlap: See `oncoserve.tasks.card.Detection`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ModelName
    task: Literal["classification", "segmentation", "detection", "delineation"]
    classes: Annotated[list[Name], Field(min_length=1, max_length=10_000)]
    background: Name = "background"
    layout: Literal["NCHW", "NHWC"] | None = None
    colours: Literal["RGB", "BGR"] = "RGB"
    scale: Annotated[float, Field(ge=1e-6, le=1e6, allow_inf_nan=False)] = 1 / 255
    mean: PerChannel = [0.0]
    std: PerChannel = [1.0]
    width: Side | None = None
    height: Side | None = None
    resize_filter: Literal["bicubic", "bilinear", "lanczos", "box"] = "bilinear"
    outputs: list[str] = []
    answers: Literal["logits", "probabilities"] | None = None
    labels: Literal["one", "many"] = "one"
    least_probability: Probability = 0
    thresholds: dict[Name, Probability] = {}
    least_mask: Probability = 0.5
    least_seen: Probability = 0
    outlined: Annotated[str, Field(min_length=1, max_length=64)] = "tumour"
    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    crop_share: Annotated[float, Field(ge=0.01, le=1)] = 1
    padding: Colour = "#000000"
    threshold: Probability | None = None
    um_per_px: Annotated[float, Field(ge=1e-3, le=1e5, allow_inf_nan=False)] | None = None
    tiles: bool = False
    overlap: Annotated[int, Field(ge=0)] | None = None
    steps: list[Literal["glass", "stains"]] = []
    decode: Literal["yolov8", "yolov5", "rows", "apart"] | None = None
    boxes: Literal["corners", "corners_yx", "centres"] | None = None
    box_units: Literal["pixels", "shares"] = "pixels"
    most_overlap: Annotated[float, Field(gt=0, le=1)] | None = None
    title: Text = ""
    modality: Text = "not stated"
    intended_use: Text = "not stated"
    licence: Text = "not stated"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        twice = sorted({each for each in self.classes if self.classes.count(each) > 1})
        if twice:
            raise ValueError(f"classes: {', '.join(twice)} is there more than once")
        if min(self.std) < LEAST_STD:
            raise ValueError(f"std: each has to be above 0 ({LEAST_STD:g} and more), got {self.std}")
        if self.task == "classification" and len(self.classes) < 2:  # noqa: PLR2004 - one class is no question
            raise ValueError(
                "classes: a classifier has 2 and more; where the graph gives one number, name the class that it is "
                "against first"
            )
        strange = sorted((frozenset().union(*OF_TASKS.values()) - OF_TASKS[self.task]) & self.model_fields_set)
        if strange:
            raise ValueError(f"{strange[0]}: the task {self.task} does not have it")
        if "background" in self.model_fields_set and self.background not in self.classes:
            raise ValueError(f"background: {self.background} is none of the classes, {', '.join(self.classes)[:200]}")
        if strange := sorted(set(self.thresholds) - set(self.classes)):
            raise ValueError(f"thresholds: {strange[0]} is none of the classes, {', '.join(self.classes)[:200]}")
        if self.thresholds and self.labels == "one":
            raise ValueError("thresholds: they are of classes that do not exclude each other, so say labels = 'many'")
        if not self.names:
            raise ValueError(f"classes: expected one beside {self.background}")
        return self

    @property
    def changes_values(self) -> bool:
        """Whether pixel values are scaled at all."""
        return self.scale != 1 or any(self.mean) or any(each != 1 for each in self.std)

    @property
    def channels(self) -> tuple[str | None, ...]:
        """By the output's channel its class; None is background."""
        if self.task in {"classification", "delineation"}:
            return tuple(self.classes)
        return tuple(None if each == self.background else each for each in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that are some."""
        return tuple(each for each in self.channels if each is not None)

    @property
    def activated(self) -> bool | None:
        """Whether the output is said to be probabilities; None where nothing is said."""
        return None if self.answers is None else self.answers == "probabilities"

    def threshold_of(self, default: float) -> float:
        """The threshold that was said, or else this."""
        return default if self.threshold is None else self.threshold

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """What was said, checked.

        Raises:
            OwnModelError: Something is missing, misspelt or out of bounds.
        """
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            raise OwnModelError(_in_words(error.errors(include_url=False)[0])) from error


def _in_words(error: ErrorDetails) -> str:
    """One of pydantic's errors, with the value that was met."""
    where, message = ".".join(map(str, error["loc"])), error["msg"]
    if not where:  # one of ours
        return message.removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{where} is nothing that can be said: see `oncoserve models add --help`"
    if error["type"] == "string_pattern_mismatch":
        message = f"Input should be {PATTERNS.get(where.partition('.')[0], 'printable, in one line')}"
    return f"{where}: {message}, got {error['input']!r:.60}"


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says; the names in it are those of the options, with underscores.

    Raises:
        OwnModelError: It cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise OwnModelError(f"{path} is no file but a folder or a device: name the TOML file itself")
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise OwnModelError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise OwnModelError(f"{path} is no TOML file: {error}") from error
