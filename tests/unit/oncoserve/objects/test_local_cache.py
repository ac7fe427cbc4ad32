"""Files of this machine beside a bucket: found again, bounded, and never in the way."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from oncoserve.objects import local_cache
from oncoserve.objects.local_cache import LocalCache

KEY, TAG = "results/x/result.zip", '"tag"'


def read(cache, key=KEY, etag=TAG):
    file = cache.open(key, etag)
    if file is None:
        return None
    with file:
        return file.read()


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_version_is_found_by_every_process_and_no_other_version(tmp_path):
    LocalCache(tmp_path, 1000).keep(KEY, TAG, b"content")
    cache = LocalCache(tmp_path, 1000)
    assert read(cache) == b"content"
    assert read(cache, etag='"other"') is None
    assert read(cache, key="results/y/result.zip") is None
    cache.forget(KEY, TAG)
    cache.forget(KEY, TAG)
    assert read(cache) is None


def test_of_too_many_those_go_that_were_not_opened_for_longest(tmp_path):
    cache = LocalCache(tmp_path, 1000)
    for number in range(9):
        cache.keep(f"{number}", TAG, bytes(100))
        for path in files(tmp_path):
            os.utime(path, (time.time() - 100 + number,) * 2) if path.stat().st_mtime > time.time() - 50 else None
    assert read(cache, "0") is not None  # which notes it
    cache.keep("new", TAG, bytes(300))
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 1000
    assert [read(cache, key) is not None for key in ("0", "1", "2", "8", "new")] == [True, False, False, True, True]


def test_what_nobody_opens_goes(tmp_path, monkeypatch):
    cache = LocalCache(tmp_path, 1000)
    cache.keep(KEY, TAG, b"content")
    cache.prune()
    assert read(cache) == b"content"
    monkeypatch.setattr(local_cache, "UNUSED_S", -1.0)
    cache.prune()
    assert files(tmp_path) == []


@pytest.mark.parametrize("limit", [0, 3])
def test_what_is_larger_than_all_that_may_be_there_is_not_kept(tmp_path, limit):
    LocalCache(tmp_path, limit).keep(KEY, TAG, b"content")
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_used_is_told_of_once_and_does_without(tmp_path, caplog):
    blocked = tmp_path / "cache"
    blocked.write_text("a file where a folder has to be")
    cache = LocalCache(blocked, 1000)
    for _ in range(2):
        cache.keep(KEY, TAG, b"content")
        assert read(cache) is None
    assert len(caplog.records) == 1


def test_many_threads_and_caches_at_once(tmp_path):
    caches = [LocalCache(tmp_path, 10_000) for _ in range(4)]

    def work(number):
        cache, key = caches[number % 4], f"{number % 30}"
        cache.keep(key, TAG, key.encode() * 400)
        found = read(cache, key)
        return found is None or found == key.encode() * 400

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(400)))
    caches[0].prune()
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 10_000
