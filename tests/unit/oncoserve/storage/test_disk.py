import asyncio
import threading
import time
import weakref

import pytest

from oncoserve.errors import StorageFull, StorageUnavailable
from oncoserve.storage import disk as module
from oncoserve.storage.disk import Disk, FileThreads

PATIENCE_S = 60


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def watcher():
    """A watching thread outlives its block by a look, and its lines are not the next test's."""
    yield
    until(lambda: all(each.name != "disk" for each in threading.enumerate()))


def test_what_a_call_gives_and_raises_comes_back():
    threads = FileThreads(PATIENCE_S)
    assert threads.run(divmod, 7, 2) == (3, 1)
    for error in (OSError, TimeoutError):
        with pytest.raises(error):
            threads.run(fail_with, error)
    assert threads.run(divmod, 7, 2) == (3, 1)


def fail_with(error):
    raise error


class Thing:
    pass


def test_an_error_keeps_nothing_of_whoever_caught_it(without_collector):
    """Each overlay looks for notes, which most results have none of: 84 MB stayed until a circle was looked for."""
    threads = FileThreads(PATIENCE_S)

    def ask_and_catch():
        thing = Thing()
        with pytest.raises(FileNotFoundError):
            threads.run(fail_with, FileNotFoundError)
        return weakref.ref(thing)

    gone = ask_and_catch()
    until(lambda: gone() is None)


def test_a_disk_that_stalls_is_waited_for_once_then_refused_at_once_and_used_when_it_is_back():
    threads, back = FileThreads(0.2, count=2), threading.Event()
    done = []
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match=r"within 0\.2 s"):
            threads.run(back.wait)
        threads._next_try_s = 0.0  # the next one may try
    with pytest.raises(StorageUnavailable):
        threads.run(done.append, 1)  # no thread is left, and it is never done
    began = time.monotonic()
    with pytest.raises(StorageUnavailable):
        threads.run(done.append, 2)
    assert time.monotonic() - began < 0.1
    back.set()
    until(lambda: not threads._late)
    assert threads.run(lambda: "back") == "back"
    assert done == []


def test_low_room_is_an_error_that_says_what_is_missing(tmp_path):
    assert Disk(tmp_path / "not/there", 1, 1).error is None
    for limits, said in (((2**60, 0), f"; {2**60} are kept free"), ((0, 2**60), "files are free")):
        disk = Disk(tmp_path / "not/there", *limits)
        with disk.watched():
            with pytest.raises(StorageFull) as raised:
                disk.check()
            assert said in raised.value.detail


def test_it_comes_back_by_itself(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", logger=module.__name__)
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    disk = Disk(tmp_path, 2**60)
    with disk.watched():
        until(lambda: caplog.records)
        disk._min_free_bytes = 0
        until(lambda: disk.error is None)
        until(lambda: len(caplog.records) == 2)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    disk.check()


def test_a_look_that_does_not_end_is_an_error_until_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    back = threading.Event()
    disk = Disk(tmp_path, timeout_s=0.2, beat=back.wait)
    with disk.watched():
        until(lambda: disk.error is not None)
        assert "has not answered" in disk.error.detail
        back.set()
        until(lambda: disk.error is None)


async def test_a_coroutine_waits_without_a_thread_and_gets_what_the_call_gives_and_raises():
    threads = FileThreads(PATIENCE_S)
    assert await threads.ask(divmod, 7, 2) == (3, 1)
    for error in (OSError, TimeoutError):
        with pytest.raises(error):
            await threads.ask(fail_with, error)


async def test_who_asks_from_one_of_the_threads_needs_no_other():
    threads = FileThreads(1.0, count=1)
    assert await threads.ask(threads.run, threading.current_thread) is not threading.current_thread()
    assert threads.run(threads.run, divmod, 7, 2) == (3, 1)


async def test_a_coroutine_is_told_of_a_disk_that_stalls_and_what_nobody_waits_for_is_not_done():
    threads, back, done = FileThreads(0.2, count=1), threading.Event(), []
    with pytest.raises(StorageUnavailable, match=r"within 0\.2 s"):
        await threads.ask(back.wait)
    began = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await threads.ask(done.append, 1)
    assert time.monotonic() - began < 0.1
    threads._next_try_s = 0.0
    asking = asyncio.create_task(threads.ask(done.append, 2))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.wait({asking})
    back.set()
    until(lambda: not threads._late)
    assert await threads.ask(lambda: "back") == "back"
    assert done == []


async def test_an_error_of_an_awaited_call_keeps_nothing_of_whoever_caught_it(without_collector):
    threads = FileThreads(PATIENCE_S)

    async def ask_and_catch():
        thing = Thing()
        with pytest.raises(FileNotFoundError):
            await threads.ask(fail_with, FileNotFoundError)
        return weakref.ref(thing)

    gone = await ask_and_catch()
    await asyncio.sleep(0)  # the step that woke this task has the answer
    until(lambda: gone() is None)
