import asyncio
import contextlib
import os
import time

import pytest

from oncoserve.results import expiry as retention
from oncoserve.results.store import ResultStore
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
    return ResultStore(tmp_path / "results", LIFE_S)


@pytest.fixture
def swift(monkeypatch):
    monkeypatch.setattr(retention, "LONGEST_PAUSE_S", 0.02)


def save_expired(store):
    store.save(ID, b"{}", {"picture": b"pixels"})
    file = next(store.folder.rglob(f"{ID}.zip"))
    os.utime(file, (time.time() - 2 * LIFE_S,) * 2)
    return file


async def gone(file):
    async with asyncio.timeout(60):
        while file.exists():
            await asyncio.sleep(0.01)


async def test_it_sweeps_now_and_again(store, threads, swift, caplog):
    caplog.set_level("INFO")
    async with retention.sweeping(store, threads):  # before there is a folder
        for owner in (None, "ward"):
            await gone(save_expired(store.of(owner)))
    assert {record.count for record in caplog.records} == {1}


async def test_of_several_processes_one_sweeps_and_another_takes_over(store, threads, swift):
    other = ResultStore(store.folder, LIFE_S)
    swept = []
    for each in (store, other):
        each.sweep = lambda shard, each=each: swept.append(each) or type(each).sweep(each, shard)
    store.folder.mkdir(parents=True)
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(retention.sweeping(store, threads))
        await gone(save_expired(store))
        async with retention.sweeping(other, threads):
            await gone(save_expired(store))
            assert set(map(id, swept)) == {id(store)}
            await first.aclose()
            await gone(save_expired(store))
            assert swept[-1] is other


async def test_nothing_runs_when_results_stay_for_ever(tmp_path, threads):
    before = asyncio.all_tasks()
    async with retention.sweeping(ResultStore(tmp_path), threads):
        assert asyncio.all_tasks() == before


async def test_a_folder_that_fails_is_told_and_tried_again(store, threads, swift, caplog):
    store.folder.mkdir(parents=True)
    blocked = store.folder / "01"
    blocked.write_text("a file where a folder has to be")
    async with retention.sweeping(store, threads):
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
