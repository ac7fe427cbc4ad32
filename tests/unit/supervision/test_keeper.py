import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from supervision.child import Child
from supervision.heartbeat import VARIABLE, Heartbeat
from supervision.keeper import Cause, Keeper, Patience

LONG_S = 60
QUICK = Patience(first_pause_s=0.05, longest_pause_s=0.4, look_s=0.05, silent_looks=4, first_looks=40)
BEATING = f"""
import mmap, os, sys, time
number = memoryview(mmap.mmap(int(os.environ["{VARIABLE}"]), 8)).cast("q")
while True:
    number[0] += 1
    time.sleep(0.01)
"""


def python(code, *, heartbeat=None, output=None):
    env = dict(os.environ)
    fds = ()
    if heartbeat is not None:
        env |= heartbeat.environment
        fds = (heartbeat.descriptor,)
    return Child([sys.executable, "-c", code], env, output=output, pass_fds=fds)


@contextlib.asynccontextmanager
async def kept(start, losses, **others):
    keeper = Keeper("part", start, losses.append, patience=QUICK, **others)
    running = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        await keeper.stop(5)
        await asyncio.wait_for(running, LONG_S)


async def until(condition):
    async with asyncio.timeout(LONG_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_killed_part_comes_back_as_another_process():
    losses = []
    async with kept(lambda: python("import time; time.sleep(100)"), losses) as keeper:
        await until(lambda: keeper.child)
        first = keeper.child.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: keeper.child.pid != first)
    assert [(loss.cause, loss.detail) for loss in losses] == [(Cause.SIGNAL, "it was ended by SIGKILL")]


async def test_pauses_grow_to_the_longest():
    losses = []
    async with kept(lambda: python("raise SystemExit(7)"), losses):
        await until(lambda: len(losses) >= 5)
    assert [loss.pause_s for loss in losses[:5]] == [0.05, 0.1, 0.2, 0.4, 0.4]
    assert losses[0].detail == "it ended with exit code 7"


async def test_a_final_exit_ends_the_keeping():
    losses = []
    keeper = Keeper("part", lambda: python("raise SystemExit(2)"), losses.append, is_final=lambda code, _: code == 2)
    assert await asyncio.wait_for(keeper.run(), LONG_S) == 2
    assert losses == []


async def test_a_start_that_fails_is_tried_again():
    losses = []
    starts = iter([OSError(24, "Too many open files"), None])

    def start():
        if error := next(starts):
            raise error
        return python("import time; time.sleep(100)")

    async with kept(start, losses) as keeper:
        await until(lambda: keeper.child)
    assert [(loss.cause, loss.detail) for loss in losses] == [(Cause.START, "Too many open files")]


@pytest.mark.parametrize("stopped_after_beats", [True, False])
async def test_a_part_without_signs_of_life_is_replaced(stopped_after_beats):
    losses = []
    heartbeat = Heartbeat.create()
    code = BEATING if stopped_after_beats else "import time; time.sleep(100)"
    async with kept(lambda: python(code, heartbeat=heartbeat), losses, heartbeat=heartbeat) as keeper:
        await until(lambda: keeper.child)
        first = keeper.child.pid
        if stopped_after_beats:
            await until(lambda: heartbeat.count > 3)
            os.kill(first, signal.SIGSTOP)
        await until(lambda: keeper.child.pid != first)
    assert [loss.cause for loss in losses] == [Cause.HUNG]


async def test_a_part_that_beats_is_left_alone():
    losses = []
    heartbeat = Heartbeat.create()
    async with kept(lambda: python(BEATING, heartbeat=heartbeat), losses, heartbeat=heartbeat):
        await until(lambda: heartbeat.count > 50)
    assert losses == []


async def test_a_stopped_part_gets_sigterm_then_sigkill(tmp_path):
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(100)"
    )
    child = python(code)
    await until(ready.exists)
    assert await asyncio.wait_for(child.stop(0.2), LONG_S) == 128 + signal.SIGKILL


async def test_what_a_part_leaves_in_its_group_ends_with_it(tmp_path):
    note = tmp_path / "pid"
    code = (
        "import pathlib, subprocess; other = subprocess.Popen(['sleep', '100']); "
        f"pathlib.Path({str(note)!r}).write_text(str(other.pid))"
    )
    child = python(code)
    await child.exited()
    await child.kill()
    await until(lambda: not running(int(note.read_text())))


def running(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def test_a_child_ends_with_its_parent(tmp_path):
    note = tmp_path / "pid"
    code = (
        "import os, pathlib, sys, time; from supervision.child import Child; "
        "child = Child(['sleep', '100'], os.environ); "
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid)); time.sleep(100)"
    )
    parent = python(code)
    await until(lambda: note.exists() and note.read_text())
    os.kill(parent.pid, signal.SIGKILL)
    await parent.exited()
    await until(lambda: not running(int(note.read_text())))


def test_a_command_that_does_not_exist_is_named():
    with pytest.raises(FileNotFoundError, match="no-such-command"):
        Child(["no-such-command"], os.environ)


async def test_a_child_takes_the_signals_that_its_parent_blocks():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        child = Child(["sleep", "100"], os.environ)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.kill(child.pid, signal.SIGTERM)
    assert await asyncio.wait_for(child.exited(), LONG_S) == 128 + signal.SIGTERM


async def test_the_event_loop_beats():
    heartbeat = Heartbeat.create()
    async with heartbeat.beating():
        await until(lambda: heartbeat.count > 0)


BOUNDED = replace(QUICK, settled_s=0.5, most_vain_starts=3)


async def test_a_part_whose_starts_are_all_in_vain_is_given_up():
    losses = []
    keeper = Keeper("part", lambda: python("raise SystemExit(5)"), losses.append, patience=BOUNDED)
    assert await asyncio.wait_for(keeper.run(), LONG_S) == 5
    assert [loss.pause_s for loss in losses] == [0.05, 0.1, None]


async def test_a_part_that_cannot_be_started_at_all_is_given_up_with_a_code_of_failure():
    def start():
        raise FileNotFoundError("no such command")

    losses = []
    assert await asyncio.wait_for(Keeper("part", start, losses.append, patience=BOUNDED).run(), LONG_S) == 1
    assert {loss.cause for loss in losses} == {Cause.START}


async def test_a_part_that_worked_before_it_was_lost_is_brought_back_for_ever():
    """A beat in each life is work, however short the life is."""
    losses = []
    heartbeat = Heartbeat.create()
    dying = BEATING.replace("time.sleep(0.01)", "raise SystemExit(5)")
    keeper = Keeper("part", lambda: python(dying, heartbeat=heartbeat), losses.append, heartbeat, patience=BOUNDED)
    running = asyncio.create_task(keeper.run())
    await until(lambda: len(losses) > 2 * BOUNDED.most_vain_starts)
    await keeper.stop(5)
    await asyncio.wait_for(running, LONG_S)
    assert None not in {loss.pause_s for loss in losses}


async def test_a_part_can_be_replaced_with_a_reason():
    losses = []
    async with kept(lambda: python("import time; time.sleep(100)"), losses) as keeper:
        await until(lambda: keeper.child)
        await keeper.replace("it answers nonsense")
        await until(lambda: losses)
    assert [(loss.cause, loss.detail) for loss in losses] == [(Cause.HUNG, "it answers nonsense")]


async def test_a_retired_part_is_not_brought_back():
    losses = []
    async with kept(lambda: python("import time; time.sleep(100)"), losses) as keeper:
        await until(lambda: keeper.child)
        keeper.retire()
        await keeper.child.kill()
    assert losses == []
