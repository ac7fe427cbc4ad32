"""The same pictures, already preprocessed, straight to Triton over gRPC: what the frontend costs on top of it.

Requests are serialised beforehand, and one HTTP/2 connection carries them all, as with tritonclient's own client. A
server that is quicker than one Python process can ask is asked by several.
"""

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final, Self

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from loadtest.compare.window import Window

_METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"
_UNLIMITED: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))

Infer = Callable[[bytes], Awaitable[service_pb2.ModelInferResponse]]
"""Sends one serialised request."""


def serialise(model: str, pixels: NDArray[np.uint8]) -> bytes:
    """A request for all outputs of one picture.

    Args:
        model: The model's name.
        pixels: (H, W, 3) uint8 RGB at the model's size.
    """
    request = service_pb2.ModelInferRequest(model_name=model)
    tensor = request.inputs.add(name="image", datatype="UINT8")
    tensor.shape.extend([1, *pixels.shape])
    request.raw_input_contents.append(pixels.tobytes())
    return bytes(request.SerializeToString())


class TritonCalls:
    """A model of one Triton, asked over gRPC.

    Args:
        url: host:port of the gRPC service.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def probabilities(self, request: bytes) -> list[float]:
        """The model's answer to one serialised request, class by class."""
        async with grpc.aio.insecure_channel(self._url, options=_UNLIMITED) as channel:
            answer = await _method(channel)(request)
        place = [output.name for output in answer.outputs].index("probabilities")
        return [float(value) for value in np.frombuffer(answer.raw_output_contents[place], np.float32)]

    async def closed_loop(self, requests: Sequence[bytes], connections: int, window: Window) -> None:
        """Keep `connections` requests under way until the window closes."""
        turns = itertools.cycle(requests)
        async with grpc.aio.insecure_channel(self._url, options=_UNLIMITED) as channel, asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(_keep_asking(_method(channel), turns, window))


class Clients:
    """Processes that share the asking; a context manager.

    Args:
        url: host:port of the gRPC service.
        requests: Serialised requests, which every process asks in turn.
        count: How many processes.
    """

    def __init__(self, url: str, requests: Sequence[bytes], count: int) -> None:
        self._url, self._requests, self._count = url, requests, count
        # Spawned, because gRPC does not survive a fork.
        self._pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    async def closed_loop(self, connections: int, window: Window) -> None:
        """Keep `connections` requests under way, in equal shares, and put all answers into the window."""
        shares = [len(range(number, connections, self._count)) for number in range(self._count)]
        loop = asyncio.get_running_loop()
        asked = [
            loop.run_in_executor(self._pool, _ask_alone, self._url, self._requests, share, window)
            for share in shares
            if share
        ]
        for found in await asyncio.gather(*asked):
            window.add(found)


def _ask_alone(url: str, requests: Sequence[bytes], connections: int, window: Window) -> Window:
    """One process's share. The window means the same here: on Linux perf_counter() is one clock for all processes."""
    asyncio.run(TritonCalls(url).closed_loop(requests, connections, window))
    return window


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
