"""Where results live that any machine may ask for: content-addressed, an object each, in a bucket."""

import io
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Final, ParamSpec, TypeVar

from oncoserve.errors import ResultNotFound, StorageUnavailable
from oncoserve.objects.bucket import Stat
from oncoserve.objects.bucket_watch import BucketWatch
from oncoserve.objects.local_cache import LocalCache
from oncoserve.results import archive, corrections
from oncoserve.results.archive import DOCUMENT, DamagedError
from oncoserve.results.damage import Damage
from oncoserve.results.result_store import OWNERS, RESULT_ID, Kept
from oncoserve.storage.disk import FileThreads

FOLDER: Final = "results"
ARCHIVE, NOTES, PSEUDONYMS = "result.zip", "notes.json", ".pseudonyms"
TRIES: Final = 200
"""At a change that others make at the same time."""

PAUSE_S: Final = 0.05

P = ParamSpec("P")
T = TypeVar("T")
Take = Callable[[IO[bytes], str], dict[str, bytes]]


class BucketResults:
    """The ResultStore of several machines: `results/<id>/result.zip`, and beside it `notes.json`.

    Those of a key's owner are under `results/keys/<name>/`. The archive is that of `FileResults`. Each call asks the
    bucket which versions there are, so that what one machine removes is gone for all at once; the bytes of a version
    that was met before come from the cache.

    Args:
        watch: of the bucket.
        cache: of this machine.
        ttl_s: seconds after which a result is there no more, though its object may be until the next sweep; 0: never.
        damage: is told of objects that are damaged.
        folder: of the owner.
    """

    def __init__(
        self,
        watch: BucketWatch,
        cache: LocalCache,
        ttl_s: int = 0,
        damage: Damage | None = None,
        folder: str = FOLDER,
    ) -> None:
        self.watch = watch
        self.ttl_s = ttl_s
        self._bucket = watch.bucket
        self._cache = cache
        self._damage = damage or Damage()
        self._folder = folder

    @property
    def storage(self) -> BucketWatch:
        """See the port."""
        return self.watch

    @property
    def reading(self) -> FileThreads:
        """See the port."""
        return self.watch.threads

    @property
    def writing(self) -> FileThreads:
        """See the port."""
        return self.watch.threads

    def of(self, owner: str | None) -> "BucketResults":
        """See the port."""
        if owner is None:
            return self
        return BucketResults(self.watch, self._cache, self.ttl_s, self._damage, f"{FOLDER}/{OWNERS}/{owner}")

    def owners(self) -> Sequence[str]:
        """See the port."""
        prefix = f"{FOLDER}/{OWNERS}/"
        keys = self._ask(lambda: [each.key for each in self._bucket.list(prefix.rstrip("/"))])
        return sorted({key.removeprefix(prefix).partition("/")[0] for key in keys})

    def ids(self) -> Iterator[str]:
        """See the port."""
        ending = f"/{ARCHIVE}"
        stats = self._ask(lambda: [*self._bucket.list(self._folder)])
        for each in stats:
            result = each.key.removeprefix(f"{self._folder}/").removesuffix(ending)
            if each.key.endswith(ending) and RESULT_ID.fullmatch(result) and not self.expired(each):
                yield result

    def save(self, result: str, document: bytes, files: Mapping[str, bytes]) -> None:
        """See the port. What is kept is safe at once."""
        content = archive.pack({DOCUMENT: document, **files})
        key = self._key(result, ARCHIVE)
        etag = self._ask(self._bucket.put, key, content)
        self.watch.threads.later(lambda: self._cache.keep(key, etag, content))

    def sync(self, result: str) -> None:
        """See the port."""
        self._archive(result)

    def find(self, result: str) -> Kept | None:
        """See the port."""
        stat = self._stat(result)
        found = None if stat is None else self._take(stat, result, archive.checked_document)
        return None if stat is None or found is None else Kept(found[DOCUMENT], stat.size_bytes)

    def read(self, result: str) -> Kept:
        """See the port."""
        stat = self._archive(result)
        document = self._taken(stat, result, archive.document)[DOCUMENT]
        # A question that is left out is a third of the time that a stored result takes.
        notes = self._ask(self._bucket.stat, self._key(result, NOTES)) if corrections.possible(document) else None
        return Kept(document, stat.size_bytes, self._whole_notes(notes))

    def files(self, result: str) -> dict[str, bytes]:
        """See the port."""
        found = self._taken(self._archive(result), result, archive.everything)
        del found[DOCUMENT]
        return found

    def add_notes(self, result: str, change: Callable[[bytes | None], bytes]) -> None:
        """See the port. Of two that change them at once one is refused by the bucket, and changes the other's."""
        key = self._key(result, NOTES)
        for _ in range(TRIES):
            stat, notes = self._there(result)
            self._taken(stat, result, archive.document)
            if notes is None:
                kept = self._ask(self._bucket.create, key, change(None))
            else:
                kept = self._ask(self._bucket.replace, key, change(self._whole_notes(notes)), notes.etag)
            if kept:
                if self._stat(result) is None:  # it was deleted meanwhile
                    self._ask(self._bucket.delete, key)
                    raise ResultNotFound(result)
                return
            time.sleep(PAUSE_S * secrets.randbelow(100) / 100)
        raise StorageUnavailable(f"others changed this result {TRIES} times at the same time")

    def delete(self, result: str) -> None:
        """See the port."""
        stat, notes = self._there(result)
        if notes is not None:
            self._ask(self._bucket.delete, notes.key)
            self._cache.forget(notes.key, notes.etag)
        self._ask(self._bucket.delete, stat.key)
        self._cache.forget(stat.key, stat.etag)

    def known_secret(self) -> bytes | None:
        """See the port."""
        found = self._ask(self._bucket.get, self._secret_key)
        return None if found is None else found[0]

    def adopt_secret(self, secret: bytes) -> bool:
        """See the port."""
        if self._ask(self._bucket.create, self._secret_key, secret):
            return True
        found = self._ask(self._bucket.get, self._secret_key)
        return found is not None and found[0] == secret

    @property
    def _secret_key(self) -> str:
        return f"{self._folder}/{PSEUDONYMS}"

    def expired(self, stat: Stat) -> bool:
        """Whether an object's result is there no more."""
        return bool(self.ttl_s) and self.watch.now() - stat.changed > self.ttl_s

    def _archive(self, result: str) -> Stat:
        found = self._stat(result)
        if found is None:
            raise ResultNotFound(result)
        return found

    def _there(self, result: str) -> tuple[Stat, Stat | None]:
        found = self._stats(result)
        if found is None:
            raise ResultNotFound(result)
        return found

    def _stat(self, result: str) -> Stat | None:
        """The archive; None where there is none, or one that has expired."""
        if not RESULT_ID.fullmatch(result):
            return None
        return self._fresh(self._ask(self._bucket.stat, self._key(result, ARCHIVE)))

    def _stats(self, result: str) -> tuple[Stat, Stat | None] | None:
        """The archive and the notes, in one question; None where there is no archive, or one that has expired."""
        if not RESULT_ID.fullmatch(result):
            return None
        found = {each.key: each for each in self._ask(lambda: [*self._bucket.list(f"{self._folder}/{result}")])}
        stat = self._fresh(found.get(self._key(result, ARCHIVE)))
        return None if stat is None else (stat, found.get(self._key(result, NOTES)))

    def _fresh(self, stat: Stat | None) -> Stat | None:
        return None if stat is None or self.expired(stat) else stat

    def _taken(self, stat: Stat, result: str, take: Take) -> dict[str, bytes]:
        found = self._take(stat, result, take)
        if found is None:
            raise ResultNotFound(result)
        return found

    def _take(self, stat: Stat, result: str, take: Take) -> dict[str, bytes] | None:
        """What `take` reads of an archive; None where it is gone or damaged."""
        file = self._open(stat)
        if file is None:
            return None
        with file:
            try:
                return take(file, result)
            except DamagedError:
                self._cache.forget(stat.key, stat.etag)  # perhaps it is only this machine's
        fetched = self._fetch(stat)
        try:
            return None if fetched is None else take(io.BytesIO(fetched), result)
        except DamagedError:
            self._damage.tell(f"{result}/{ARCHIVE}", stat.size_bytes, (stat.key, stat.etag))
            return None

    def _whole_notes(self, stat: Stat | None) -> bytes | None:
        file = None if stat is None else self._open(stat)
        if stat is None or file is None:
            return None
        with file:
            content = file.read()
        if corrections.are_whole(content):
            return content
        self._damage.tell(stat.key.removeprefix(f"{self._folder}/"), stat.size_bytes, (stat.key, stat.etag))
        return None

    def _open(self, stat: Stat) -> IO[bytes] | None:
        file = self._cache.open(stat.key, stat.etag)
        if file is not None:
            return file
        content = self._fetch(stat)
        return None if content is None else io.BytesIO(content)

    def _fetch(self, stat: Stat) -> bytes | None:
        found = self._ask(self._bucket.get, stat.key)
        if found is None:
            return None
        content, etag = found
        self._cache.keep(stat.key, etag, content)
        return content

    def _ask(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self.watch.threads.run(work, *args, **kwargs)

    def _key(self, result: str, name: str) -> str:
        return f"{self._folder}/{result}/{name}"
