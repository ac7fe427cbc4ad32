"""The shapes of what is told of the models that are served."""

from frontend.http.shapes.base_shapes import Shape
from oncoserve.tasks.card import Card


class TensorShape(Shape):
    """A tensor of the served model; -1 is a free dimension, the batch dimension is left out."""

    name: str
    dtype: str
    dims: list[int]


class ConfigurationShape(Shape):
    """What the inference server runs."""

    platform: str
    max_batch_size: int
    inputs: list[TensorShape]
    outputs: list[TensorShape]


class ModelShape(Shape):
    """A model that is ready."""

    name: str
    version: str
    versions: list[str]
    """Those that are served side by side, oldest first; the newest answers where none is named."""
    model_sha256: str | None
    precision: str | None
    card: Card
    configuration: ConfigurationShape
    links: dict[str, str]


class ModelsShape(Shape):
    """All models: the ready ones, and why others are not."""

    models: list[ModelShape]
    not_ready: dict[str, str]


class ReadyShape(Shape):
    """Whether the service can answer, and what prevents it."""

    ready: bool
    models: list[str]
    problems: dict[str, str]
