"""Bytes by key in a bucket, with writes that happen only where nobody else wrote meanwhile."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from oncoserve.errors import StorageUnavailable
from oncoserve.objects.bucket_faults import code_in, said_by
from oncoserve.runtime.nearby import is_near

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, ObjectMeta
    from obstore.store import ClientConfig, S3Credential

CONNECT_S: Final = 3
RETRIES: Final = 3
PIECE_BYTES: Final = 2**23
FRESH_S: Final = 60
"""How long keys are used until they are read again: those that were changed are taken up."""


@dataclass(frozen=True)
class Place:
    """Where a bucket is, and who asks.

    Attributes:
        bucket: its name.
        endpoint: of the store, such as http://seaweedfs:8333; empty for AWS.
        region: of the bucket.
        prefix: of all keys.
        access_key_file, secret_key_file: hold what requests are signed with; None for what the environment or the
            machine has, as AWS's SDKs look for it.
        ca_file: certificates, PEM, of who may vouch for the store; None for those of the system.
    """

    bucket: str
    endpoint: str = ""
    region: str = "us-east-1"
    prefix: str = ""
    access_key_file: Path | None = field(default=None, repr=False)
    secret_key_file: Path | None = field(default=None, repr=False)
    ca_file: Path | None = None


class Keys(NamedTuple):
    """What requests are signed with."""

    access_key: str
    secret_key: str
    token: str | None = None


@dataclass(frozen=True)
class Stat:
    """An object without its bytes.

    Attributes:
        key: without the bucket's prefix.
        etag: names this version of it.
        size_bytes: of it.
        changed: when it was written, seconds since 1970 by the store's clock.
    """

    key: str
    etag: str
    size_bytes: int
    changed: float


class Bucket:
    """A bucket. All methods block, and are called from threads.

    All raise `StorageUnavailable` where the store does not answer or refuses, in words that name the cause.

    Args:
        place: where it is.
        timeout_s: seconds that one request may take, and all attempts at it.
        credentials: says what requests are signed with, where that is neither in files nor in the environment; called
            again each minute.
    """

    def __init__(self, place: Place, timeout_s: float, credentials: "Callable[[], Keys] | None" = None) -> None:
        self._name = place.bucket
        options: ClientConfig = {"connect_timeout": f"{CONNECT_S}s", "timeout": timedelta(seconds=timeout_s)}
        more: dict[str, Any] = {}
        if place.endpoint:
            options["allow_http"] = place.endpoint.startswith("http://")
            more["endpoint"] = place.endpoint
            if is_near(place.endpoint):
                # No proxy of the environment's: there is one, and the only host that is asked is left out of it.
                options |= {"proxy_url": place.endpoint, "proxy_excludes": urlsplit(place.endpoint).hostname or ""}
        if place.ca_file is not None:
            options["root_certificate"] = place.ca_file.read_bytes()
        if place.access_key_file is not None and place.secret_key_file is not None:
            credentials = partial(_in_files, place.access_key_file, place.secret_key_file)
        if credentials is not None:
            more["credential_provider"] = partial(_for_a_while, credentials)
        self._store = S3Store(
            place.bucket,
            prefix=place.prefix or None,
            region=place.region,
            client_options=options,
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=timeout_s)},
            virtual_hosted_style_request=not place.endpoint,
            **more,
        )

    def list(self, folder: str) -> Iterator[Stat]:
        """Everything whose key begins with `folder/`."""
        with self._asking():
            for some in obstore.list(self._store, folder):
                yield from map(_stat, some)

    def stat(self, key: str) -> Stat | None:
        """An object without its bytes; None where there is none."""
        with self._asking():
            try:
                return _stat(obstore.head(self._store, key))
            except FileNotFoundError:
                return None

    def get(self, key: str, first_bytes: int | None = None) -> tuple[bytes, str] | None:
        """The bytes, or no more than the first of them, and the tag of their version; None where there is nothing."""
        options: GetOptions = {} if first_bytes is None else {"range": (0, first_bytes)}
        with self._asking():
            try:
                found = obstore.get(self._store, key, options=options)
            except FileNotFoundError as error:
                _need_bucket(error)
                return None
            except BaseError as error:
                if code_in(str(error)) == "InvalidRange":  # it is empty
                    return b"", ""
                raise
            return bytes(found.bytes()), found.meta["e_tag"] or ""

    def download(self, key: str, file: IO[bytes]) -> bool:
        """Write an object into a file, a piece at a time: it may be larger than the memory; whether it was there."""
        with self._asking():
            try:
                found = obstore.get(self._store, key)
            except FileNotFoundError as error:
                _need_bucket(error)
                return False
            for piece in found.stream(min_chunk_size=PIECE_BYTES):
                file.write(piece)
            return True

    def put(self, key: str, data: bytes, content_type: str = "") -> str:
        """Keep bytes, whatever was there; returns the new version's tag. When it returns they are safe."""
        kind: Attributes | None = {"Content-Type": content_type} if content_type else None
        with self._asking():
            return obstore.put(self._store, key, data, attributes=kind, use_multipart=False)["e_tag"] or ""

    def create(self, key: str, data: bytes) -> bool:
        """Keep bytes where there is nothing; whether there was nothing."""
        with self._asking():
            try:
                obstore.put(self._store, key, data, mode="create")
            except AlreadyExistsError:
                return False
            return True

    def replace(self, key: str, data: bytes, etag: str) -> bool:
        """Keep bytes in the place of one version; whether it was there still."""
        with self._asking():
            try:
                obstore.put(self._store, key, data, mode={"e_tag": etag})
            except (PreconditionError, FileNotFoundError):
                return False
            return True

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        with self._asking(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise StorageUnavailable(said_by(str(error), self._name)) from None  # its text has addresses and requests


def _need_bucket(error: FileNotFoundError) -> None:
    """An object that is missing is an answer; that all of them are, because their bucket is, is a fault."""
    if code_in(str(error)) == "NoSuchBucket":
        raise error


def _stat(found: "ObjectMeta") -> Stat:
    return Stat(found["path"], found["e_tag"] or "", found["size"], found["last_modified"].timestamp())


def _in_files(access_key: Path, secret_key: Path) -> Keys:
    return Keys(access_key.read_text().strip(), secret_key.read_text().strip())


def _for_a_while(credentials: Callable[[], Keys]) -> "S3Credential":
    keys = credentials()
    return {
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
        "token": keys.token,
        "expires_at": datetime.now(UTC) + timedelta(seconds=FRESH_S),
    }
