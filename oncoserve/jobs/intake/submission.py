"""What a caller sends for a job, and how much of it a job may be."""

import math
import re
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from oncoserve.errors import JobTooLarge, TooManyImages
from oncoserve.jobs.queue_room import Room

NAME_LIMIT: Final = 200


@dataclass(frozen=True)
class JobLimits:
    """What one job may be.

    Attributes:
        life_s: seconds after which it expires.
        max_images: their number.
        max_image_pixels: width times height of each.
        max_upload_bytes: of each.
        max_bytes: of all of them, as they are kept.
        room: images that may wait.
        timeout_s: seconds that a caller waits for each step of the storage.
    """

    life_s: int
    max_images: int
    max_image_pixels: int
    max_upload_bytes: int
    max_bytes: int = 2**31
    room: Room = field(default_factory=lambda: Room(10_000, 50_000))
    timeout_s: float = math.inf


@dataclass(frozen=True)
class Submission:
    """One file as it was sent.

    Attributes:
        name: the caller's file name, any text.
        read: gives the bytes; called once, when it is its turn.
        upload: id of an upload, instead of bytes.
    """

    name: str
    read: Callable[[], Awaitable[bytes]] | None = None
    upload: str = ""


class Allowance:
    """What a job may still take.

    Args:
        limits: of a job.
        images: that it has already.

    Raises:
        TooManyImages
    """

    def __init__(self, limits: JobLimits, images: int) -> None:
        self._limits = limits
        self._images = self._bytes = 0
        self.take_images(images)

    def take_images(self, more: int) -> None:
        """Count them.

        Raises:
            TooManyImages
        """
        self._images += more
        if self._images > self._limits.max_images:
            raise TooManyImages(self._limits.max_images, self._images)

    def take_bytes(self, size: int) -> None:
        """Count them.

        Raises:
            JobTooLarge
        """
        self.foresee(size)
        self._bytes += size

    def foresee(self, size: int) -> None:
        """Refuse early what is going to be so many bytes at least.

        Raises:
            JobTooLarge
        """
        if self._bytes + size > self._limits.max_bytes:
            raise JobTooLarge(self._bytes + size, self._limits.max_bytes)


def clean_name(name: str) -> str:
    """The last component of a file name as a browser or a script may send it, without control characters."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(each for each in last if unicodedata.category(each)[0] != "C")
    return shown[:NAME_LIMIT] or "image"
