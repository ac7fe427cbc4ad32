"""The places that results are kept in, which the contract is held against."""

import os
import shutil
from dataclasses import replace
from uuid import uuid4

import pytest

from oncoserve.objects.bucket import Bucket, Place
from oncoserve.objects.bucket_watch import BucketWatch
from oncoserve.objects.local_cache import LocalCache
from oncoserve.results.damage import Damage
from oncoserve.results.in_bucket.bucket_expiry import BucketSweeper
from oncoserve.results.in_bucket.bucket_results import BucketResults
from oncoserve.results.in_files.file_expiry import FileSweeper
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.runtime.service_clock import WallClock
from testbed.storage.seaweed import BUCKET


class LaterClock(WallClock):
    """Of a machine that is some seconds ahead."""

    def __init__(self):
        self.ahead_s = 0.0

    def now(self):
        return super().now() + self.ahead_s


class Files:
    """A folder."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = LaterClock()
        self.damaged = []

    def store(self, ttl_s=0):
        return FileResults(self.folder, ttl_s, clock=self.clock, damage=Damage(lambda: self.damaged.append(1)))

    def pass_time(self, seconds):
        self.clock.ahead_s += seconds

    def age(self, result, seconds):
        """Let a result be that much older, of every owner."""
        for path in self.folder.rglob(f"{result}.*"):
            born = path.stat().st_mtime - seconds
            os.utime(path, (born, born))

    def change(self, name, how):
        """Change what is kept under a name behind the store's back."""
        (path,) = self.folder.rglob(name)
        path.write_bytes(how(path.read_bytes()))

    def names(self):
        """Of everything that is kept."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    def sweeper(self, store, max_bytes, in_use):
        return FileSweeper(store, max_bytes, in_use)

    archive, notes = "{}.zip", "{}.json"


class AgedBucket(Bucket):
    """Objects that say that they were written earlier than they were."""

    def __init__(self, place):
        super().__init__(place, timeout_s=10)
        self.ages = {}

    def list(self, folder):
        for each in super().list(folder):
            yield replace(each, changed=each.changed - self.ages.get(each.key.split("/")[-2], 0))


class InBucket:
    """A prefix of a bucket; `store` is another machine each time."""

    def __init__(self, seaweed, folder):
        files = seaweed.access_key_file, seaweed.secret_key_file
        place = Place(BUCKET, seaweed.endpoint, "us-east-1", uuid4().hex, *files)
        self.bucket, self.folder = AgedBucket(place), folder
        self.ahead_s = 0.0
        self.damaged = []
        self.opened = []

    def store(self, ttl_s=0):
        watch = BucketWatch(self.bucket, timeout_s=10)
        now = watch.now
        watch.now = lambda: now() + self.ahead_s
        cache = LocalCache(self.folder / uuid4().hex, 2**26)
        return BucketResults(watch, cache, ttl_s, Damage(lambda: self.damaged.append(1)))

    def pass_time(self, seconds):
        self.ahead_s += seconds

    def age(self, result, seconds):
        self.bucket.ages[result] = seconds

    def change(self, name, how):
        (key,) = [each.key for each in self.bucket.list("results") if each.key.endswith(f"/{name}")]
        self.bucket.put(key, how(self.bucket.get(key)[0]))
        for cached in self.folder.iterdir():  # as on a machine that never met it
            shutil.rmtree(cached)

    def names(self):
        return sorted(each.key.removeprefix("results/") for each in self.bucket.list("results"))

    def sweeper(self, store, max_bytes, in_use):
        return BucketSweeper(store, max_bytes, in_use)

    archive, notes = "{}/result.zip", "{}/notes.json"


@pytest.fixture(params=["files", "bucket"])
def kept_in(request, tmp_path):
    """A place for results, without any."""
    if request.param == "files":
        return Files(tmp_path)
    return InBucket(request.getfixturevalue("seaweed"), tmp_path)
