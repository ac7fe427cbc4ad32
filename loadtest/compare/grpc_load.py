"""The same pictures, already preprocessed, straight to Triton over gRPC: what the frontend costs on top of it.

Requests are serialised beforehand, and one HTTP/2 connection carries them all, as with tritonclient's own client.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from types import MappingProxyType
from typing import Final

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from loadtest.compare.served import Served, class_means
from loadtest.compare.window import Window

_METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"
_UNLIMITED: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_TYPES: Final = MappingProxyType({"FP32": np.float32, "UINT8": np.uint8})

Infer = Callable[[bytes], Awaitable[service_pb2.ModelInferResponse]]
"""Sends one serialised request."""


class OverGrpc:
    """Serialised requests in turn, for all outputs of one picture each.

    Args:
        url: host:port of Triton's gRPC service.
        served: The model.
        kind: Of the pictures.
    """

    def __init__(self, url: str, served: Served, kind: str) -> None:
        self._url, self._labels = url, served.labels
        self._requests = [_serialise(served.model, served.input_name, pixels) for pixels in served.pixels[kind]]

    async def answers(self, count: int) -> list[dict[str, float]]:
        """Ask about the first pictures, one after the other; see `Asking`."""
        async with grpc.aio.insecure_channel(self._url, options=_UNLIMITED) as channel:
            found = [await _method(channel)(request) for request in self._requests[:count]]
        return [dict(zip(self._labels, _probabilities(answer), strict=True)) for answer in found]

    async def closed_loop(self, connections: int, window: Window) -> None:
        """Keep that many calls under way; see `Asking`."""
        turns = itertools.cycle(self._requests)
        async with grpc.aio.insecure_channel(self._url, options=_UNLIMITED) as channel, asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(_keep_asking(_method(channel), turns, window))


def _serialise(model: str, name: str, pixels: NDArray[np.uint8]) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=model)
    tensor = request.inputs.add(name=name, datatype="UINT8")
    tensor.shape.extend([1, *pixels.shape])
    request.raw_input_contents.append(pixels.tobytes())
    return bytes(request.SerializeToString())


def _probabilities(answer: service_pb2.ModelInferResponse) -> list[float]:
    place = [output.name for output in answer.outputs].index("probabilities")
    output = answer.outputs[place]
    values = np.frombuffer(answer.raw_output_contents[place], _TYPES[output.datatype])
    return class_means(values.reshape(output.shape[1:]))


def _method(channel: grpc.aio.Channel) -> Infer:
    infer: Infer = channel.unary_unary(_METHOD, response_deserializer=service_pb2.ModelInferResponse.FromString)
    return infer


async def _keep_asking(infer: Infer, turns: Iterator[bytes], window: Window) -> None:
    while window.running():
        sent = time.perf_counter()
        try:
            await infer(next(turns))
            window.record(sent)
        except grpc.aio.AioRpcError as error:
            window.record(sent, error.code().name)
