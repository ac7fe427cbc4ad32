"""The port to an inference server: what the frontend needs of it, in its own words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

    def __str__(self) -> str:
        return f"{self.name} {self.dtype.name} {list(self.dims)}"


@dataclass(frozen=True)
class ModelConfiguration:
    """A model as the server runs it; `file` is the graph's name in the version's folder."""

    name: str
    version: str
    platform: str
    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    file: str = "model.onnx"

    def output(self, name: str) -> TensorSpec | None:
        """The output of that name, if there is one."""
        return next((spec for spec in self.outputs if spec.name == name), None)


@dataclass(frozen=True)
class ModelState:
    """A model in the server's repository: the versions that are ready, oldest first, or none and the reason."""

    name: str
    versions: tuple[str, ...]
    reason: str = ""


class InferenceBackend(Protocol):
    """An inference server.

    Every method raises `InferenceUnavailable` when the server cannot be reached; cancellation passes through.
    """

    async def models(self) -> Sequence[ModelState]:
        """All models in the server's repository, loaded or not."""
        ...

    async def configuration(self, model: str, version: str) -> ModelConfiguration:
        """A loaded model's configuration.

        Raises:
            ModelNotReady: the server does not have it loaded.
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
            ModelNotReady: the server does not have the model loaded.
            DeadlineExceeded: no answer within `timeout_s`.
            InferenceFailed: the server refused the tensors or the model raised.
        """
        ...

    async def close(self) -> None:
        """Give back the connection."""
        ...
