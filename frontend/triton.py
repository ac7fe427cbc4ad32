"""The inference server port on NVIDIA Triton's gRPC service. The only module that knows tritonclient and gRPC."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from frontend.backend import ModelConfiguration, ModelState, Tensors, TensorSpec
from frontend.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable, ModelNotReady, PlatformError
from frontend.tracing import Traces

INFER = "inference.GRPCInferenceService/ModelInfer"
CONTROL_TIMEOUT_S = 5.0  # questions about readiness and configuration are answered from Triton's memory

CHANNEL_ARGUMENTS = [
    ("grpc.max_send_message_length", -1),  # the frontend has limits of its own, in the caller's words
    ("grpc.max_receive_message_length", -1),
    # gRPC backs off for up to two minutes by default: a Triton that came back would stay unused that long.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # An unplugged server is noticed in seconds, not when TCP gives up; a frozen one only at deadlines.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
]


class TritonBackend:
    """One long-lived gRPC connection to Triton per process.

    Args:
        url: host:port of the gRPC service.
        traces: where calls are traced; left out, nowhere.
    """

    def __init__(self, url: str, traces: Traces | None = None) -> None:
        self._traces = traces or Traces()
        self._client = triton.InferenceServerClient(url, channel_args=CHANNEL_ARGUMENTS)

    async def models(self) -> Sequence[ModelState]:
        """All models in the repository, with the versions of each that are ready."""
        try:
            index = await self._client.get_model_repository_index(client_timeout=CONTROL_TIMEOUT_S)
        except InferenceServerException as error:
            raise InferenceUnavailable from error
        ready: dict[str, set[str]] = {}
        reasons: dict[str, str] = {}
        for entry in index.models:
            if entry.state == "READY":
                ready.setdefault(entry.name, set()).add(entry.version)
            else:
                reasons[entry.name] = entry.reason or entry.state.lower() or "not loaded"
        return [
            ModelState(name, tuple(sorted(ready.get(name, ()), key=int)), "" if name in ready else reasons[name])
            for name in sorted({*ready, *reasons})
        ]

    async def configuration(self, model: str, version: str) -> ModelConfiguration:
        """The configuration that Triton runs the model with, its own completions included."""
        try:
            response = await self._client.get_model_config(model, version, client_timeout=CONTROL_TIMEOUT_S)
        except InferenceServerException as error:
            raise translate(error, model, CONTROL_TIMEOUT_S) from error
        config = response.config
        return ModelConfiguration(
            name=config.name,
            version=version,
            platform=config.backend or config.platform,
            max_batch_size=config.max_batch_size,
            inputs=tuple(_spec(tensor) for tensor in config.input),
            outputs=tuple(_spec(tensor) for tensor in config.output),
            file=config.default_model_filename or "model.onnx",
        )

    async def infer(
        self, model: str, version: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Tensors:
        """Run the model on one batch; see the port."""
        tensors = []
        for name, array in inputs.items():
            tensor = triton.InferInput(name, list(array.shape), _TRITON_DTYPES[array.dtype])
            tensor.set_data_from_numpy(array)
            tensors.append(tensor)
        try:
            with self._traces.call(INFER, model) as metadata:
                result = await self._client.infer(
                    model,
                    tensors,
                    model_version=version,
                    outputs=[triton.InferRequestedOutput(name) for name in outputs],
                    client_timeout=timeout_s,  # the gRPC deadline: Triton drops what still waits when it is over
                    headers=metadata,
                )
        except InferenceServerException as error:
            raise translate(error, model, timeout_s) from error
        try:
            answers = {name: result.as_numpy(name) for name in outputs}
        except (ValueError, struct.error) as error:  # other bytes than the shape and type that came with them
            raise InferenceFailed(model) from error
        if any(answer is None or answer.dtype.hasobject for answer in answers.values()):
            raise InferenceFailed(model)
        return answers

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


_TRITON_DTYPES = {
    np.dtype(np.uint8): "UINT8",
    np.dtype(np.int32): "INT32",
    np.dtype(np.int64): "INT64",
    np.dtype(np.float32): "FP32",
}


def _spec(tensor: Any) -> TensorSpec:  # noqa: ANN401 - a protobuf message without published types
    number = tensor.data_type
    name = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number[number].name
    dtype = triton_to_np_dtype(name.removeprefix("TYPE_")) or np.void
    return TensorSpec(tensor.name, np.dtype(dtype), tuple(tensor.dims))


def translate(error: InferenceServerException, model: str, timeout_s: float) -> PlatformError:
    """Say in our words what a gRPC status from Triton means.

    UNAVAILABLE is ambiguous: Triton gives it for a model that is not loaded, gRPC for a connection that is not there;
    only the words tell them apart. tests/contract pins every line on a real Triton.
    """
    status = str(error.status() or "").removeprefix("StatusCode.")
    message = error.message() or ""
    if status == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(model, timeout_s)
    if status == "NOT_FOUND" or (status == "UNAVAILABLE" and "ready state" in message):
        return ModelNotReady(model, message)
    if status in {"UNAVAILABLE", "CANCELLED"}:
        return InferenceUnavailable()
    return InferenceFailed(model)
