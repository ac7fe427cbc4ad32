"""Pins what the frontend's admission control is built on."""

import asyncio
import time

import numpy as np
import tritonclient.grpc.aio as grpcclient

from testbed.model_folder import QUEUE_POLICY
from testbed.servers import TritonServer
from testbed.timed_model import write_sleeper
from tests.integration.inference_server.calls import tensor

BURSTS = (4, 4, 7, 5, 3, 12, 4, 7, 12)  # callers at once, with nobody after them
EXECUTION_S = 0.02  # by the clock, whatever else the machine does
STALL_S = 0.4  # a stall lasts 0.5 s; twelve executions take 0.25 s
ENOUGH = 2  # so many stalls more with a policy than without are no accident


async def burst_s(client, model, callers):
    """Seconds until the last of so many simultaneous requests is answered."""
    image = [tensor("image", np.zeros((1, 16, 16, 3), np.uint8))]
    started = time.monotonic()
    await asyncio.gather(*(client.infer(model, image) for _ in range(callers)))
    return time.monotonic() - started


async def test_a_queue_policy_stalls_what_waits(embedded_triton, tmp_path):
    """As soon as a model has ANY queue policy, Triton 2.51 stops prefetching, and nothing but a new request wakes the
    batcher when an instance becomes free: the last of a burst wait for its timer, 500 ms. This is why config.pbtxt says
    plain `dynamic_batching { }` and the frontend bounds its queue itself. Under a steady load arrivals wake the batcher
    and hide it: a ratio of throughputs was anything from 1.0 to 2.7. If this fails, Triton may have mended it: then
    queue policies can be considered again.
    """
    write_sleeper(tmp_path / "models", "plain", EXECUTION_S)
    write_sleeper(tmp_path / "models", "policy", EXECUTION_S, batching=QUEUE_POLICY)
    stalls = {"plain": 0, "policy": 0}
    with TritonServer(tmp_path / "models", tmp_path) as server:
        async with grpcclient.InferenceServerClient(server.grpc_url) as client:
            one_s = {model: min([await burst_s(client, model, 1) for _ in range(3)]) for model in stalls}
            for callers in BURSTS:
                for model in stalls:
                    stalls[model] += await burst_s(client, model, callers) > callers * one_s[model] + STALL_S
                if stalls["policy"] - stalls["plain"] >= ENOUGH:
                    break
    assert stalls["policy"] >= 1, stalls
    assert stalls["plain"] < stalls["policy"], stalls
