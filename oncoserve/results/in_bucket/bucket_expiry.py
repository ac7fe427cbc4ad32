"""Takes results out of the bucket that have expired or are too many, on one machine of all."""

import json
import logging
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from oncoserve.objects.bucket import Stat
from oncoserve.results.expiry import KEPT_S, LEFT_S, InUse
from oncoserve.results.in_bucket.bucket_results import ARCHIVE, FOLDER, NOTES, BucketResults
from oncoserve.runtime.threads import CpuThreads

LEASE: Final = ".sweeper"
LEASE_S: Final = 300.0
"""After which a machine that said nothing no longer is the one that sweeps."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Found:
    """The objects of one result."""

    archive: Stat | None
    notes: Stat | None
    result: str

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in (self.archive, self.notes) if each is not None)


class BucketSweeper:
    """Removes results of all owners from a bucket, on the one machine that holds a lease in it.

    When a result was last used is not known there: of too many the oldest go.

    Args:
        store: the results of all owners.
        max_bytes: what they may take together; 0 is no limit.
        in_use: asked before a result that has not expired is removed.
    """

    def __init__(self, store: BucketResults, max_bytes: int, in_use: InUse) -> None:
        self._store = store
        self._bucket = store.watch.bucket
        self._max_bytes = max_bytes
        self._in_use = in_use
        self._me = secrets.token_hex(8)
        self._over = False

    @property
    def needed(self) -> bool:
        """See `Sweeper`."""
        return bool(self._store.ttl_s or self._max_bytes)

    def take(self) -> bool:
        """See `Sweeper`: the lease is an object, which its holder writes again with each sweep."""
        key, mine = f"{FOLDER}/{LEASE}", json.dumps({"holder": self._me, "until": self._store.watch.now() + LEASE_S})
        found = self._bucket.get(key)
        if found is None:
            return self._bucket.create(key, mine.encode())
        content, etag = found
        free = self._is_free(content)
        return free and self._bucket.replace(key, mine.encode(), etag)

    def _is_free(self, content: bytes) -> bool:
        try:
            lease = json.loads(content)
            return lease["holder"] == self._me or float(lease["until"]) < self._store.watch.now()
        except (ValueError, KeyError, TypeError):
            return True  # nobody's

    def close(self) -> None:
        """See `Sweeper`: another machine takes over when the lease is over."""

    async def sweep(self, threads: CpuThreads) -> None:
        """See `Sweeper`."""
        left, removed = await threads.run(self._expire)
        if removed:
            log.info("expired results removed", extra={"count": removed})
        if self._max_bytes and sum(each.size_bytes for each in left) > self._max_bytes:
            kept = await self._in_use()
            await threads.run(self._make_room, left, kept)

    def _expire(self) -> tuple[list[_Found], int]:
        left, removed, now = [], 0, self._store.watch.now()
        for each in _results(self._bucket.list(FOLDER)):
            if each.archive is None:
                # Notes of a result that was deleted while they were written.
                gone = each.notes is not None and now - each.notes.changed > LEFT_S
            else:
                gone = self._store.expired(each.archive)
            if gone:
                removed += self._remove(each)
            elif each.archive is not None:
                left.append(each)
        return left, removed

    def _make_room(self, found: list[_Found], kept: Collection[str]) -> None:
        total, removed, now = sum(each.size_bytes for each in found), 0, self._store.watch.now()
        for each in sorted(found, key=lambda each: each.archive.changed if each.archive else 0.0):
            if total <= self._max_bytes or each.archive is None or now - each.archive.changed < KEPT_S:
                break
            if each.result not in kept and self._remove(each):
                total -= each.size_bytes
                removed += 1
        if removed:
            log.info("results removed for room", extra={"count": removed, "bytes_left": total})
        over = total > self._max_bytes
        if over and not self._over:
            log.warning(
                "the results take more room than they may, and all are in use or new",
                extra={"bytes": total, "limit": self._max_bytes},
            )
        self._over = over

    def _remove(self, found: _Found) -> bool:
        """Remove a result, unless it was stored anew since it was looked at."""
        objects = [each for each in (found.notes, found.archive) if each is not None]
        there = {each.key: each.etag for each in self._bucket.list(objects[0].key.rpartition("/")[0])}
        if any(there.get(each.key, each.etag) != each.etag for each in objects):
            return False
        for each in objects:
            self._bucket.delete(each.key)
        return True


def _results(stats: Iterable[Stat]) -> Iterable[_Found]:
    """The objects of each result together, as they come: in the order of their keys."""
    folder, some = "", dict[str, Stat]()
    for each in stats:
        within, _, name = each.key.rpartition("/")
        if within != folder:
            if some:
                yield _together(folder, some)
            folder, some = within, {}
        if name in {ARCHIVE, NOTES}:
            some[name] = each
    if some:
        yield _together(folder, some)


def _together(folder: str, some: dict[str, Stat]) -> _Found:
    return _Found(some.get(ARCHIVE), some.get(NOTES), folder.rpartition("/")[2])
