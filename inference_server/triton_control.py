"""What the launcher asks of Triton, over gRPC: whether it lives, what it has loaded, a canary, a model loaded anew."""

import asyncio
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
from grpc import StatusCode, aio
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import triton_to_np_dtype

GUARDED: Final = "model-repository,shared-memory,trace,logging"
"""The protocols of Triton that change it, or that read memory: closed to everybody who does not know the secret."""
GUARD: Final = "oncoserve-launcher"

CANARY = "oncoserve_canary"  # parameter of a request that our backend answers at once; first word of its answer
QUESTION_S = 2.0  # for what Triton answers from memory
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.enable_http_proxy", 0),  # of the environment: Triton is on this machine
]


class BackendLost(Exception):
    """The backend process of a model has ended, or was silent for a second: Triton says so of itself."""


class ControlFailed(Exception):
    """Triton refused, or did not answer; the message is its reason."""


@dataclass(frozen=True)
class CanaryReply:
    """What came back.

    Attributes:
        longest_s: The longest of the model's latest executions in seconds.
        device: What it computes on, "cpu" or "cuda:0"; empty where the backend is not ours.
    """

    longest_s: float
    device: str = ""


class TritonControl:
    """A connection to one Triton; made within the event loop that uses it.

    Args:
        address: host:port of its gRPC service.
        secret: Opens the guarded protocols.
    """

    def __init__(self, address: str, secret: str) -> None:
        self._channel = aio.insecure_channel(address, options=_OPTIONS)
        self._stub = GRPCInferenceServiceStub(self._channel)
        self._secret = ((f"triton-grpc-protocol-{GUARD}", secret),)
        self._at_once: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # one change of a model at a time

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def is_live(self) -> bool:
        """Whether it answers at all, which it does when it has tried to load every model."""
        try:
            answer = await self._stub.ServerLive(messages.ServerLiveRequest(), timeout=QUESTION_S)
        except aio.AioRpcError:
            return False
        return bool(answer.live)

    async def version(self) -> str:
        """Triton's own.

        Raises:
            ControlFailed: It does not answer.
        """
        answer = await self._ask(self._stub.ServerMetadata(messages.ServerMetadataRequest(), timeout=QUESTION_S))
        return str(answer.version)

    async def models(self) -> dict[str, str]:
        """Every model of the repository, and why it is not loaded; empty for one that is.

        Raises:
            ControlFailed: It does not answer.
        """
        asked = messages.RepositoryIndexRequest()
        answer = await self._ask(self._stub.RepositoryIndex(asked, timeout=QUESTION_S, metadata=self._secret))
        found: dict[str, str] = {}
        for entry in answer.models:  # one for each version
            reason = "" if entry.state == "READY" else entry.reason.partition("\n")[0] or "it is not loaded"
            found[entry.name] = reason if found.get(entry.name, reason) else ""
        return found

    async def successes(self, model: str) -> int:
        """How many requests the model has answered since it was loaded.

        Raises:
            ControlFailed: It does not answer, or the model is not loaded.
        """
        asked = messages.ModelStatisticsRequest(name=model)
        answer = await self._ask(self._stub.ModelStatistics(asked, timeout=QUESTION_S))
        return sum(each.inference_stats.success.count for each in answer.model_stats)

    async def canary(self, model: str, timeout_s: float | None = None) -> CanaryReply:
        """Ask the model something tiny, to see that it answers.

        Args:
            model: Its name.
            timeout_s: For the answer, which waits behind those of callers; None means for ever.

        Returns:
            What our backend tells; another runs the request, and what that took is the only measure.

        Raises:
            BackendLost: Its process has ended or is stopped.
            ControlFailed: Triton is not there, the model is not loaded, or there was no answer in time.
        """
        began = time.monotonic()
        asked = messages.ModelConfigRequest(name=model)
        config = (await self._ask(self._stub.ModelConfig(asked, timeout=QUESTION_S))).config
        try:
            answer = await self._stub.ModelInfer(_canary(model, config), timeout=timeout_s)
        except aio.AioRpcError as error:
            if "Stub process" in (error.details() or ""):
                raise BackendLost(error.details()) from error
            if error.code() in {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.NOT_FOUND}:
                raise ControlFailed(error.details()) from error
            return CanaryReply(time.monotonic() - began)  # an error of the model's own is an answer
        told = _told(answer)
        return CanaryReply(float(told.get("longest_s", 0)) or time.monotonic() - began, str(told.get("device", "")))

    async def versions(self, model: str) -> Sequence[int]:
        """The versions of a model that answer, oldest first; empty for one that is not loaded.

        Raises:
            ControlFailed: It does not answer.
        """
        asked = messages.RepositoryIndexRequest()
        answer = await self._ask(self._stub.RepositoryIndex(asked, timeout=QUESTION_S, metadata=self._secret))
        return sorted(int(each.version) for each in answer.models if each.name == model and each.state == "READY")

    async def reload(self, model: str, timeout_s: float, configuration: str = "") -> None:
        """Unload a model, and load it again with a new backend process; the others serve on.

        Args:
            model: Its name.
            timeout_s: For the loading, warm-up included.
            configuration: As in `load`.

        Raises:
            ControlFailed: It cannot be loaded, or not in time.
        """
        async with self._at_once[model]:
            await self._unload(model, timeout_s)
            await self._load(model, timeout_s, configuration)

    async def load(self, model: str, timeout_s: float, configuration: str = "") -> None:
        """Load a model that is new, or the versions of one that have come; those that have gone are unloaded then.

        Where a version cannot be loaded, all that was served is served on.

        Args:
            model: Its name.
            timeout_s: For the loading, warm-up included.
            configuration: In JSON, in place of the one in its folder.

        Raises:
            ControlFailed: It cannot be loaded, or not in time.
        """
        async with self._at_once[model]:
            await self._load(model, timeout_s, configuration)

    async def unload(self, model: str, timeout_s: float) -> None:
        """Take a model away; requests that it has are answered.

        Raises:
            ControlFailed: Triton does not answer.
        """
        async with self._at_once[model]:
            await self._unload(model, timeout_s)

    async def _load(self, model: str, timeout_s: float, configuration: str) -> None:
        asked = messages.RepositoryModelLoadRequest(model_name=model)
        if configuration:
            asked.parameters["config"].string_param = configuration
        await self._ask(self._stub.RepositoryModelLoad(asked, timeout=timeout_s, metadata=self._secret))

    async def _unload(self, model: str, timeout_s: float) -> None:
        asked = messages.RepositoryModelUnloadRequest(model_name=model)
        await self._ask(self._stub.RepositoryModelUnload(asked, timeout=timeout_s, metadata=self._secret))

    async def _ask(self, call: Any) -> Any:  # noqa: ANN401 - protobuf messages without published types
        try:
            return await call
        except aio.AioRpcError as error:
            raise ControlFailed(error.details() or error.code().name) from error


def new_secret() -> str:
    """One that nobody guesses."""
    return secrets.token_hex()


def _canary(model: str, config: Any) -> messages.ModelInferRequest:  # noqa: ANN401
    """A request of one whose inputs are zeros."""
    request = messages.ModelInferRequest(model_name=model)
    request.parameters[CANARY].bool_param = True
    for tensor in config.input:
        names = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
        datatype = names[tensor.data_type].name.removeprefix("TYPE_").replace("STRING", "BYTES")
        shape = [max(1, size) for size in tensor.dims]
        if config.max_batch_size > 0:
            shape = [1, *shape]
        request.inputs.add(name=tensor.name, datatype=datatype, shape=shape)
        dtype = triton_to_np_dtype(datatype)
        item_bytes = (
            4 if datatype == "BYTES" or dtype is None else np.dtype(dtype).itemsize
        )  # empty strings: their lengths
        request.raw_input_contents.append(bytes(item_bytes * prod(shape)))
    return request


def _told(answer: messages.ModelInferResponse | None) -> dict[str, Any]:
    """What our backend says in its answer to a canary: JSON in place of an output. Empty for any other answer."""
    raw = answer.raw_output_contents[0] if answer is not None and answer.raw_output_contents else b""
    told: dict[str, Any] = json.loads(raw) if raw.startswith(b'{"%s":' % CANARY.encode()) else {}
    return told
