import asyncio
import math
import time

import pytest

from oncoserve.errors import DeadlineExceeded
from oncoserve.prediction.deadline import Deadline


async def test_the_block_is_ended_in_time_counted_from_the_arrival():
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"'tiny' did not answer within 60 s"):
        async with Deadline(60, spent_s=59.9).enforce("tiny"):
            await asyncio.sleep(100)
    assert 0.08 < time.monotonic() - began < 30


async def test_a_time_that_is_over_at_the_start():
    assert Deadline(1.0, spent_s=2.0).remaining_s() == 0
    with pytest.raises(DeadlineExceeded):
        async with Deadline(1.0, spent_s=2.0).enforce("tiny"):
            await asyncio.sleep(5)


async def test_without_one_nothing_ends():
    assert Deadline().remaining_s() == math.inf
    async with Deadline().enforce("tiny"):
        await asyncio.sleep(0)


async def test_other_timeouts_and_cancellation_pass():
    with pytest.raises(TimeoutError):
        async with Deadline(5.0).enforce("tiny"):
            raise TimeoutError
    with pytest.raises(asyncio.CancelledError):
        async with Deadline(5.0).enforce("tiny"):
            raise asyncio.CancelledError
