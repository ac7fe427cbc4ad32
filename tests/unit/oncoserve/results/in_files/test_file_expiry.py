import asyncio
import contextlib
import fcntl
import gc
import json
import os
import threading
import time

import pytest

from oncoserve.results import expiry
from oncoserve.results.expiry import sweeping
from oncoserve.results.in_files import file_expiry
from oncoserve.results.in_files.file_expiry import FileSweeper
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.runtime.threads import CpuThreads
from testbed.fakes import FakeBackend
from testbed.in_process import PNG, PREDICT, Service, assert_problem

ID = "0123456789abcdef0123456789abcdef"
LIFE_S = 1000


@pytest.fixture
def threads():
    pool = CpuThreads(2)
    yield pool
    pool.close()


@pytest.fixture
def store(tmp_path):
    return FileResults(tmp_path / "results", LIFE_S)


@pytest.fixture
def swift(monkeypatch):
    for name in ("SHORTEST_PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(expiry, name, 0.02)


def document(result=ID):
    return json.dumps({"id": result}).encode()


def save(store, result=ID, age_s=0.0, size=100):
    """A result that was made, and not used since, so many seconds ago; its file."""
    store.save(result, document(result), {"picture": bytes(size)})
    file = next(store.folder.rglob(f"{result}.zip"))
    os.utime(file, (time.time() - age_s,) * 2)
    return file


def save_expired(store):
    return save(store, age_s=2 * LIFE_S)


async def nothing():
    return ()


def sweeper(store, max_bytes=0, in_use=nothing):
    return FileSweeper(store, max_bytes, in_use)


async def gone(file):
    async with asyncio.timeout(60):
        while file.exists():
            await asyncio.sleep(0.01)


async def test_it_sweeps_now_and_again(store, swift, caplog):
    caplog.set_level("INFO")
    async with sweeping(sweeper(store)):  # before there is a folder
        for owner in (None, "ward"):
            await gone(save_expired(store.of(owner)))
    assert {record.count for record in caplog.records} == {1}


async def test_a_sweep_removes_what_expired_of_every_owner_and_nothing_else(store, threads):
    old, young = "0" * 32, "1" * 32
    for each in (store, store.of("ward"), store.of("lab")):
        save(each, old, 2 * LIFE_S)
        save(each, young)
        each.add_notes(young, lambda _: b"{}")
    await sweeper(store).sweep(threads)
    assert {path.stem for path in store.folder.rglob("*") if path.is_file()} == {young}


async def test_half_a_file_is_removed_when_it_was_watched_for_long_whatever_its_times_say(store, threads, monkeypatch):
    save(store)
    left = store.folder / ID[:2] / ".left"
    left.write_bytes(b"half a picture")
    os.utime(left, (0, 0))
    sweeping = sweeper(store)
    await sweeping.sweep(threads)
    assert left.exists()
    monkeypatch.setattr(file_expiry, "LEFT_S", 0.0)
    await sweeping.sweep(threads)
    assert not left.exists()


IDS = [f"{number:02x}" * 16 for number in range(6)]
EACH = 1000


async def test_the_oldest_unused_make_room_but_not_what_is_new_or_of_a_running_job(store, threads):
    store.ttl_s = 0
    files = [save(store, result, 10_000 - 1000 * number, EACH) for number, result in enumerate(IDS)]
    save(store, IDS[5])  # new
    os.utime(files[1], (time.time() - 700, files[1].stat().st_mtime))  # used after the others
    files[2].with_suffix(".json").write_bytes(b"{}")

    async def in_use():
        return {IDS[0]}

    await sweeper(store, 3 * files[0].stat().st_size, in_use).sweep(threads)
    assert {path.name for path in store.folder.rglob("*.*")} == {f"{IDS[number]}.zip" for number in (0, 1, 5)}


async def test_what_was_read_is_not_removed(store, threads):
    store.ttl_s = 0
    files = [save(store, result, 10_000 - number, EACH) for number, result in enumerate(IDS[:3])]
    store.read(IDS[0])
    async with asyncio.timeout(60):
        while time.time() - files[0].stat().st_atime > 100:
            await asyncio.sleep(0.01)
    await sweeper(store, 1).sweep(threads)
    assert [file.exists() for file in files] == [True, False, False]


async def test_two_that_sweep_at_once_remove_no_more_than_one_would(store, threads):
    store.ttl_s = 0
    files = [save(store, f"{number:032x}", 10_000 - number, EACH) for number in range(100)]
    limit = 50 * files[0].stat().st_size
    await asyncio.gather(*(sweeper(store, limit).sweep(threads) for _ in range(2)))
    assert [file.exists() for file in files] == [False] * 50 + [True] * 50


async def test_all_in_use_is_told_once(store, threads, caplog):
    save(store)
    full = sweeper(store, 1)
    for _ in range(2):
        await full.sweep(threads)
    assert [record.limit for record in caplog.records] == [1]
    assert next(store.folder.rglob("*.zip")).exists()


async def test_of_several_processes_one_sweeps_and_another_takes_over(store, swift):
    store.folder.mkdir(parents=True)
    first, second = sweeper(store), sweeper(store)
    swept = []
    for each in (first, second):
        each.sweep = lambda threads, each=each: swept.append(each) or FileSweeper.sweep(each, threads)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(sweeping(first))
        await gone(save_expired(store))
        async with sweeping(second):
            await gone(save_expired(store))
            assert set(map(id, swept)) == {id(first)}
            await stack.aclose()
            await gone(save_expired(store))
            assert swept[-1] is second


async def test_an_end_while_the_lock_is_being_taken_lets_it_go(store, monkeypatch):
    store.folder.mkdir(parents=True)
    asked, answer, done = threading.Event(), threading.Event(), threading.Event()
    take = fcntl.flock

    def slow(file, how):
        asked.set()
        answer.wait(60)
        take(file, how)

    taken = file_expiry._Lock.take

    def told(lock):
        try:
            return taken(lock)
        finally:
            done.set()

    monkeypatch.setattr(file_expiry.fcntl, "flock", slow)
    monkeypatch.setattr(file_expiry._Lock, "take", told)
    async with sweeping(sweeper(store)):
        assert await asyncio.to_thread(asked.wait, 60)
    answer.set()
    assert await asyncio.to_thread(done.wait, 60)
    monkeypatch.undo()
    with contextlib.closing(file_expiry._Lock(store.folder)) as another:
        assert another.take()
    gc.collect()  # a file that nobody closed would be told, and is an error here


async def test_nothing_runs_when_results_stay_for_ever(tmp_path):
    before = asyncio.all_tasks()
    async with sweeping(sweeper(FileResults(tmp_path))):
        assert asyncio.all_tasks() == before


async def test_a_folder_that_fails_is_told_and_tried_again(store, swift, caplog):
    store.folder.mkdir(parents=True)
    blocked = store.folder / "01"
    blocked.write_text("a file where a folder has to be")
    async with sweeping(sweeper(store)):
        async with asyncio.timeout(60):
            while "could not be removed" not in caplog.text:
                await asyncio.sleep(0.01)
        blocked.unlink()
        await gone(save_expired(store))


async def test_a_result_over_http_until_it_is_deleted(service):
    links = (await service.http.post(PREDICT, content=PNG)).json()["links"]
    deleted = await service.http.delete(links["self"])
    assert (deleted.status_code, deleted.content) == (204, b"")
    for path in (links["self"], links["overlay"]):
        assert_problem(await service.http.get(path), 404, "result_not_found")
    assert_problem(await service.http.delete(links["self"]), 404, "result_not_found")
    assert_problem(await service.http.delete("/v1/results/..%2f..%2fkeys"), 404, "not_found")
    again = await service.http.post(PREDICT, content=PNG)
    assert again.headers["cache-status"] == "oncoserve; fwd=miss; stored"


async def test_an_expired_result_is_computed_again(tmp_path):
    async with Service(tmp_path, FakeBackend(), results_ttl_s=LIFE_S) as service:
        first = (await service.http.post(PREDICT, content=PNG)).json()
        file = next((tmp_path / "results").rglob("*.zip"))
        os.utime(file, (time.time() - 2 * LIFE_S,) * 2)
        assert_problem(await service.http.get(first["links"]["self"]), 404, "result_not_found")
        again = await service.http.post(PREDICT, content=PNG)
        assert again.headers["cache-status"] == "oncoserve; fwd=miss; stored"
        assert (await service.http.get(first["links"]["self"])).json() == again.json()
