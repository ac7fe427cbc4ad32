"""The inference server port on NVIDIA Triton's gRPC service. The only module that knows tritonclient and gRPC."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from grpc import StatusCode, aio
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import triton_to_np_dtype

from oncoserve.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable, ModelNotReady, PlatformError
from oncoserve.inference.backend import CanaryAnswer, ModelConfiguration, ModelState, Tensors, TensorSpec
from oncoserve.runtime.tracing import Traces

INFER = "inference.GRPCInferenceService/ModelInfer"
CONTROL_TIMEOUT_S = 3.0  # questions about readiness and configuration are answered from Triton's memory
CANARY = "oncoserve_canary"  # parameter of a request that our backend answers at once; first word of its answer
VERSIONS_DIFFER = "oncoserve_versions_differ"  # parameter of a configuration that declares all versions' outputs

CHANNEL_ARGUMENTS = [
    ("grpc.max_send_message_length", -1),  # the frontend has limits of its own, in the caller's words
    ("grpc.max_receive_message_length", -1),
    # gRPC backs off for up to two minutes by default: a Triton that came back would stay unused that long.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # How long an attempt to connect may take, whatever its name says: a Triton that works hard is slow to greet.
    ("grpc.min_reconnect_backoff_ms", 2000),
    # An unplugged server is noticed in seconds, not when TCP gives up; a frozen one only at deadlines.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_http_proxy", 0),  # of the environment: it is there for the Internet, and no proxy knows a Triton
]


class TritonBackend:
    """One long-lived gRPC connection to Triton per process.

    Args:
        url: host:port of the gRPC service.
        traces: where calls are traced; left out, nowhere.
    """

    def __init__(self, url: str, traces: Traces | None = None) -> None:
        self._traces = traces or Traces()
        self._channel = aio.insecure_channel(url, options=CHANNEL_ARGUMENTS)
        self._stub = GRPCInferenceServiceStub(self._channel)

    async def models(self) -> Sequence[ModelState]:
        """All models that are loaded. Told by the statistics, which a Triton that guards its repository gives too."""
        asked = messages.ModelStatisticsRequest()
        try:
            answer = await self._stub.ModelStatistics(asked, timeout=CONTROL_TIMEOUT_S)
        except aio.AioRpcError as error:
            raise InferenceUnavailable from error
        found: dict[str, dict[str, int]] = {}
        for each in answer.model_stats:
            found.setdefault(each.name, {})[each.version] = each.execution_count
        return [ModelState(name, tuple(sorted(found[name], key=int)), found[name]) for name in sorted(found)]

    async def configuration(self, model: str, version: str) -> ModelConfiguration:
        """The configuration that Triton runs the model with, its own completions included."""
        asked = messages.ModelConfigRequest(name=model, version=version)
        try:
            response = await self._stub.ModelConfig(asked, timeout=CONTROL_TIMEOUT_S)
        except aio.AioRpcError as error:
            raise translate(error, model, CONTROL_TIMEOUT_S) from error
        return read_configuration(response.config, version)

    async def infer(
        self, model: str, version: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Tensors:
        """Run the model on one batch; see the port."""
        asked = _request(model, version, inputs, outputs)
        try:
            with self._traces.call(INFER, model) as metadata:
                # The timeout becomes the gRPC deadline.
                answer = await self._stub.ModelInfer(asked, timeout=timeout_s, metadata=tuple((metadata or {}).items()))
        except aio.AioRpcError as error:
            raise translate(error, model, timeout_s) from error
        return _outputs(answer, model, outputs)

    async def canary(
        self, model: ModelConfiguration, inputs: Mapping[str, NDArray[Any]], *, full: bool, timeout_s: float
    ) -> CanaryAnswer:
        """Ask a model whether it answers; see the port. Not traced: nobody waits for it."""
        asked = _request(model.name, model.version, inputs, [spec.name for spec in model.outputs])
        if not full:
            asked.parameters[CANARY].bool_param = True
        try:
            answer = await self._stub.ModelInfer(asked, timeout=timeout_s)
        except aio.AioRpcError as error:
            raise translate(error, model.name, timeout_s) from error
        if not full and (short := _short_answer(answer)):
            return short
        found = _outputs(answer, model.name, [spec.name for spec in model.outputs])
        for spec in model.outputs:
            array = found[spec.name]
            fits = spec.is_batch_of_one(array) and array.dtype == spec.dtype
            if not fits or (array.dtype.kind == "f" and not np.isfinite(array).all()):
                raise InferenceFailed(model.name)
        return CanaryAnswer()

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()


_TRITON_DTYPES = {
    np.dtype(np.uint8): "UINT8",
    np.dtype(np.int32): "INT32",
    np.dtype(np.int64): "INT64",
    np.dtype(np.float32): "FP32",
}


def _request(
    model: str, version: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str]
) -> messages.ModelInferRequest:
    """A request whose tensors follow as raw bytes, in the order of the inputs."""
    request = messages.ModelInferRequest(model_name=model, model_version=version)
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=_TRITON_DTYPES[array.dtype], shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    for name in outputs:
        request.outputs.add(name=name)
    return request


def _outputs(answer: messages.ModelInferResponse | None, model: str, outputs: Sequence[str]) -> Tensors:
    """The outputs that were asked for.

    Raises:
        InferenceFailed: they are not there, or not what they say they are.
    """
    if answer is None:  # no message: gRPC logs that it cannot be read, and gives this
        raise InferenceFailed(model)
    try:
        found = _tensors(answer)
        return {name: found[name] for name in outputs}
    except (KeyError, ValueError) as error:
        raise InferenceFailed(model) from error


def _short_answer(answer: messages.ModelInferResponse | None) -> CanaryAnswer | None:
    """What our backend says to a canary: JSON in place of an output. None for what is a model's own answer."""
    raw = answer.raw_output_contents[0] if answer is not None and len(answer.raw_output_contents) == 1 else b""
    if not raw.startswith(b'{"%s":' % CANARY.encode()):
        return None
    said = json.loads(raw)
    return CanaryAnswer(said["whole"], said["sha256"], said["loaded"], said["longest_s"])


def _tensors(response: messages.ModelInferResponse) -> Tensors:
    """The outputs of a response by name.

    Raises:
        ValueError: their bytes are not what the shapes and types that came with them say.
    """
    return {
        output.name: np.frombuffer(raw, triton_to_np_dtype(output.datatype) or np.object_).reshape(output.shape)
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }


def _spec(tensor: Any) -> TensorSpec:  # noqa: ANN401 - a protobuf message without published types
    number = tensor.data_type
    name = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number[number].name
    dtype = triton_to_np_dtype(name.removeprefix("TYPE_")) or np.void
    return TensorSpec(tensor.name, np.dtype(dtype), tuple(tensor.dims))


def read_configuration(config: Any, version: str) -> ModelConfiguration:  # noqa: ANN401 - generated, without types
    """What Triton's `ModelConfig` says of a version.

    A model without batches whose tensors have a first axis of 1 is asked as one that takes batches of one.
    """
    inputs, outputs = (tuple(map(_spec, tensors)) for tensors in (config.input, config.output))
    one_by_one = config.max_batch_size == 0 and all(each.dims[:1] == (1,) for each in (*inputs, *outputs))
    if one_by_one:
        inputs, outputs = (tuple(replace(each, dims=each.dims[1:]) for each in specs) for specs in (inputs, outputs))
    return ModelConfiguration(
        name=config.name,
        version=version,
        platform=config.backend or config.platform,
        max_batch_size=1 if one_by_one else config.max_batch_size,
        inputs=inputs,
        outputs=outputs,
        file=config.default_model_filename or "model.onnx",
        labels=next((tensor.label_filename for tensor in config.output if tensor.label_filename), ""),
        instances=max(1, sum(group.count * max(1, len(group.gpus)) for group in config.instance_group)),
        versions_differ=VERSIONS_DIFFER in config.parameters,
    )


def translate(error: aio.AioRpcError, model: str, timeout_s: float) -> PlatformError:
    """Say in our words what a gRPC status from Triton means.

    UNAVAILABLE is ambiguous: Triton gives it for a model that is not loaded, gRPC for a connection that is not there;
    only the words tell them apart. tests/contract pins every line on a real Triton.
    """
    status, message = error.code(), error.details() or ""
    if status is StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(model, timeout_s)
    if "Stub process" in message:  # of the Python backend: it has ended, or has been silent for a second
        return ModelNotReady(model, "its process in the inference server has ended or hangs")
    if status is StatusCode.NOT_FOUND or (status is StatusCode.UNAVAILABLE and "ready state" in message):
        return ModelNotReady(model, message, unloaded=True)
    if status in {StatusCode.UNAVAILABLE, StatusCode.CANCELLED}:
        return InferenceUnavailable()
    return InferenceFailed(model)
