"""Where a frame was that was cut out of a file with several: noted in the new file's group of the file."""

import re
from dataclasses import dataclass
from typing import Final, Self

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

OURS: Final = UID("2.25.243907338157311391936571921367036213441")
"""Of whoever wrote the note (PS3.10, 7.1: Private Information Creator UID); made once, at random."""
NOTE: Final = re.compile(rb"(\d{1,9})/(\d{1,9})")


@dataclass(frozen=True)
class Place:
    """A frame among others.

    Attributes:
        number: from 1 on.
        frames: how many there were.
    """

    number: int
    frames: int

    def note(self, meta: FileMetaDataset) -> None:
        """Write it into the group of a file."""
        meta.PrivateInformationCreatorUID = OURS
        meta.PrivateInformation = f"{self.number}/{self.frames}".encode()

    @classmethod
    def read(cls, note: bytes) -> Self | None:
        """What was noted; None where that is none of our notes."""
        found = NOTE.fullmatch(note.rstrip(b"\0 "))
        number, frames = (int(each) for each in found.groups()) if found else (0, 0)
        return cls(number, frames) if 1 <= number <= frames else None


def place_in(dataset: Dataset) -> Place | None:
    """What a file that was read says of itself."""
    meta = getattr(dataset, "file_meta", None) or Dataset()
    if meta.get("PrivateInformationCreatorUID") != OURS:
        return None
    note = meta.get("PrivateInformation")
    return Place.read(note) if isinstance(note, bytes) else None
