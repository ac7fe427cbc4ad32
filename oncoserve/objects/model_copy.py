"""A model repository out of a bucket, for programs that serve from files: neither Triton nor the cards need S3 then."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from oncoserve.errors import StorageUnavailable
from oncoserve.objects.bucket import Bucket, Stat

CONFIG: Final = "config.pbtxt"


@dataclass(frozen=True)
class ModelCopy:
    """What was copied.

    Attributes:
        models: their names, sorted.
        files: how many.
        size_bytes: of all files.
    """

    models: tuple[str, ...]
    files: int
    size_bytes: int


def copy_models(bucket: Bucket, folder: Path) -> ModelCopy:
    """Copy everything under the bucket's prefix; a file gets its name when it is whole.

    A model's config.pbtxt comes after its other files: who looks at the folder meanwhile meets no model that is not
    complete. What is in the folder and not in the bucket stays.

    Args:
        bucket: with a prefix under which each model has a folder.
        folder: made if it is not there.

    Raises:
        StorageUnavailable: the store does not answer, refuses, or what it has changes meanwhile.
        OSError: the folder cannot be written.
    """
    found = sorted(bucket.list(""), key=lambda stat: (PurePosixPath(stat.key).name == CONFIG, stat.key))
    for stat in found:
        _copy(bucket, stat, folder / stat.key)
    parts = [PurePosixPath(stat.key).parts for stat in found]
    models = sorted(each[0] for each in parts if each[1:] == (CONFIG,))
    return ModelCopy(tuple(models), len(found), sum(stat.size_bytes for stat in found))


def _copy(bucket: Bucket, stat: Stat, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{secrets.token_hex(8)}")
    try:
        with aside.open("xb") as file:
            there = bucket.download(stat.key, file)
        _check(there and aside.stat().st_size == stat.size_bytes, stat.key)
        os.utime(aside, (stat.changed, stat.changed))  # the same in each copy, so that nobody takes it for news
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _check(whole: bool, key: str) -> None:  # noqa: FBT001 - what it checks
    if not whole:
        raise StorageUnavailable(f"the object store: {key} was changed while it was read")
