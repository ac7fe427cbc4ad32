"""The port to an inference server: what the frontend needs of it, in its own words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model; `dims` is without the batch dimension, -1 is free."""

    name: str
    dtype: np.dtype[Any]
    dims: tuple[int, ...]

    def is_batch_of_one(self, array: NDArray[Any]) -> bool:
        """Whether an array is a batch of one such tensor, by its shape."""
        shape = (1, *self.dims)
        return len(array.shape) == len(shape) and all(
            size in (-1, got) for size, got in zip(shape, array.shape, strict=True)
        )

    def __str__(self) -> str:
        return f"{self.name} {self.dtype.name} {list(self.dims)}"


@dataclass(frozen=True)
class ModelConfiguration:
    """A model as the server runs it.

    Attributes:
        name, version, platform, max_batch_size, inputs, outputs: as the server says.
        file: the graph's name in the version's folder.
        labels: name of the file that names the classes, in the model's or the version's folder; empty for none.
        instances: how many batches it executes at once.
        versions_differ: whether `outputs` are those of all versions together, of which each has some.
    """

    name: str
    version: str
    platform: str
    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    file: str = "model.onnx"
    labels: str = ""
    instances: int = 1
    versions_differ: bool = False

    def output(self, name: str) -> TensorSpec | None:
        """The output of that name, if there is one."""
        return next((spec for spec in self.outputs if spec.name == name), None)

    def only(self, outputs: Collection[str]) -> "ModelConfiguration":
        """The same with those of its outputs that are among these."""
        return replace(self, outputs=tuple(spec for spec in self.outputs if spec.name in outputs))


@dataclass(frozen=True)
class ModelState:
    """A model that the server has loaded.

    Attributes:
        name: the model's.
        versions: those that are loaded, oldest first.
        executions: of each version, the number of executions since it was loaded; what is missing is 0.
    """

    name: str
    versions: tuple[str, ...]
    executions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CanaryAnswer:
    """What the server says to a canary.

    Attributes:
        whole: whether the graph was run.
        sha256: of the graph that is served; None where the server cannot tell.
        loaded: changes whenever the model is loaded anew.
        longest_s: seconds that the longest of the last executions took; 0 where that is not known.
    """

    whole: bool = True
    sha256: str | None = None
    loaded: str = ""
    longest_s: float = 0.0


class InferenceBackend(Protocol):
    """An inference server.

    Every method raises `InferenceUnavailable` when the server cannot be reached; cancellation passes through.
    """

    async def models(self) -> Sequence[ModelState]:
        """All models that the server has loaded."""
        ...

    async def configuration(self, model: str, version: str) -> ModelConfiguration:
        """A loaded model's configuration.

        Raises:
            ModelNotReady: the server does not have it loaded; the reason is what it says of it.
        """
        ...

    async def canary(
        self, model: ModelConfiguration, inputs: Mapping[str, NDArray[Any]], *, full: bool, timeout_s: float
    ) -> CanaryAnswer:
        """Ask a model whether it answers.

        Args:
            model: as the server runs it.
            inputs: of a batch of one.
            full: run the graph; otherwise it is left out, where the server's backend can do that.
            timeout_s: as in `infer`.

        Raises:
            ModelNotReady, DeadlineExceeded: as in `infer`.
            InferenceFailed: as in `infer`; or numbers that are none, or other tensors than configured.
        """
        ...

    async def infer(
        self, model: str, version: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Tensors:
        """Run the model on one batch.

        Args:
            model: its name.
            version: its version.
            inputs: arrays with a leading batch dimension, C-contiguous, of the configured dtypes.
            outputs: names of the outputs wanted.
            timeout_s: the request's remaining time in seconds; the server is told to stop when it is over.

        Returns:
            The outputs wanted, each with a leading batch dimension.

        Raises:
            ModelNotReady: the server does not have the model loaded, or the model's process has ended or hangs.
            DeadlineExceeded: no answer within `timeout_s`.
            InferenceFailed: the server refused the tensors or the model raised.
        """
        ...

    async def close(self) -> None:
        """Give back the connection."""
        ...
