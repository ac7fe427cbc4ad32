"""What has to be known of somebody's own model, said by options or in a TOML file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_export.own.own_errors import OwnModelError
from oncoserve.tasks.card import Name, Probability

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,62}$")]
"""Triton's name of the model, and the name of its folder, its addresses and its queue."""
Side = Annotated[int, Field(ge=8, le=4096)]
PerChannel = Annotated[list[float], Field(min_length=3, max_length=3)]


class Wanted(BaseModel):
    """What somebody says of the model; None where the graph itself may tell.

    Attributes:
        name: The model's.
        task: What it answers.
        classes: In the order of the output.
        layout: Where the graph wants the colour channels.
        colours: Their order.
        scale: What a pixel value (0 to 255) is multiplied with first.
        mean: What is taken off each channel then, in the order of `colours`.
        std: What each channel is divided by at last.
        width: Pixels, where the graph leaves them open.
        height: Pixels, where the graph leaves them open.
        answers: Whether the graph's output are logits, to which a softmax or sigmoid is added, or probabilities.
        labels: Whether the classes exclude each other.
        least_probability, thresholds: see `oncoserve.tasks.card.Labelling`.
        fit, crop_share: see `oncoserve.tasks.card.Preprocessing`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ModelName
    task: Literal["classification"]
    classes: Annotated[list[Name], Field(min_length=2, max_length=10_000)]
    layout: Literal["NCHW", "NHWC"] | None = None
    colours: Literal["RGB", "BGR"] = "RGB"
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1 / 255
    mean: PerChannel = [0.0, 0.0, 0.0]
    std: PerChannel = [1.0, 1.0, 1.0]
    width: Side | None = None
    height: Side | None = None
    resize_filter: Literal["bicubic", "bilinear", "lanczos", "box"] = "bilinear"
    answers: Literal["logits", "probabilities"] | None = None
    labels: Literal["one", "many"] = "one"
    least_probability: Probability = 0
    thresholds: dict[Name, Probability] = {}
    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    crop_share: Annotated[float, Field(gt=0, le=1)] = 1
    title: str = ""
    modality: str = "not stated"
    intended_use: str = "not stated"
    licence: str = "not stated"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        twice = sorted({each for each in self.classes if self.classes.count(each) > 1})
        if twice:
            raise ValueError(f"classes: {', '.join(twice)} is there more than once")
        if not min(self.std) > 0:
            raise ValueError(f"std: each has to be above 0, got {self.std}")
        return self

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """What was said, checked.

        Raises:
            OwnModelError: Something is missing, misspelt or out of bounds.
        """
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "what was said"
            raise OwnModelError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says; the names in it are those of the options, with underscores.

    Raises:
        OwnModelError: It cannot be read.
    """
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise OwnModelError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OwnModelError(f"{path} is no TOML file: {error}") from error
