import asyncio

import pytest

from oncoserve.jobs.gate import Gate


class Visitor:
    def __init__(self, way):
        self.inside, self.leave = False, asyncio.Event()
        self.task = asyncio.create_task(self._visit(way))

    async def _visit(self, way):
        async with way:
            self.inside = True
            await self.leave.wait()
        self.inside = False


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_alone_waits_for_all_keeps_all_out_and_comes_before_later_ones():
    gate = Gate()
    first, second = Visitor(gate.shared()), Visitor(gate.shared())
    await settle()
    assert first.inside
    assert second.inside
    alone, late = Visitor(gate.alone()), Visitor(gate.shared())
    first.leave.set()
    await settle()
    assert (alone.inside, late.inside) == (False, False)
    second.leave.set()
    await settle()
    assert (alone.inside, late.inside) == (True, False)
    another = Visitor(gate.alone())
    alone.leave.set()
    await settle()
    assert (another.inside, late.inside) == (True, False)
    another.leave.set()
    await settle()
    assert late.inside
    late.leave.set()
    await late.task


@pytest.mark.parametrize("way", ["shared", "alone"])
async def test_one_that_is_cancelled_holds_nobody_up(way):
    gate = Gate()
    first = Visitor(gate.shared())
    await settle()
    for each in (Visitor(gate.alone()), first):
        await settle()
        each.task.cancel()
    await settle()
    after = Visitor(getattr(gate, way)())
    await settle()
    assert after.inside
    after.leave.set()
    await after.task
