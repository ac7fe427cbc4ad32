"""A file that was sent, taken apart into the pictures of a job, each with bytes of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from zipfile import ZipInfo

from oncoserve.errors import RequestError, SeveralStudies, UnusableArchive
from oncoserve.jobs.intake.submission import NAME_LIMIT, Allowance, JobLimits, clean_name
from oncoserve.jobs.intake.zip_archive import Archive
from oncoserve.pictures.decode import check
from oncoserve.pictures.kinds.sniffing import DICOM, sniff

if TYPE_CHECKING:
    from oncoserve.pictures.dicom.instance import Instance
    from oncoserve.pictures.dicom.standing import Standing

COPIES: Final = 4
"""Of a frame's pixels at most, while it becomes a file."""


@dataclass(frozen=True)
class Piece:
    """One picture.

    Attributes:
        name: of the file it was in, and the frame, where that has several.
        data: the file; empty where there is a fault, and of an upload.
        upload: the key under which it is kept already.
        standing: of a slice; None where it is none.
        fault: why it is refused.
    """

    name: str
    data: bytes = b""
    standing: "Standing | None" = None
    fault: RequestError | None = None
    upload: str = ""


class Pieces:
    """Takes files apart, one picture at a time. Blocking work, for a thread.

    Args:
        limits: of a job.
        allowance: of this job.
        all_frames: whether a file with several frames becomes a picture for each.
        room: called with the bytes that are needed now beside the file itself; raises NoRoom.
    """

    def __init__(
        self, limits: JobLimits, allowance: Allowance, room: Callable[[int], None], *, all_frames: bool
    ) -> None:
        self._limits, self._allowance, self._room, self._all_frames = limits, allowance, room, all_frames

    def of_archive(self, archive: Archive) -> Iterator[Piece]:
        """The pictures of all files in an archive.

        Raises:
            TooManyImages, JobTooLarge, SeveralStudies, UnusableArchive, NoRoom
        """
        self._allowance.take_images(len(archive.members) - 1)
        self._allowance.foresee(archive.stated_bytes)
        studies: set[str] = set()
        found = 0
        for member in archive.members:
            for piece in self._of_member(archive, member):
                found += 1
                studies |= {piece.standing.study} - {""} if piece.standing else set()
                if len(studies) > 1:
                    raise SeveralStudies(len(studies))
                yield piece
        if not found:
            raise UnusableArchive(
                f"has no pictures: {len(archive.members)} texts, programs and lists of files are in it"
            )

    def _of_member(self, archive: Archive, member: ZipInfo) -> Iterator[Piece]:
        try:
            data = archive.unpacked(member)
        except RequestError as error:
            yield Piece(clean_name(member.filename), fault=error)
            return
        if data is not None:
            yield from self.of_file(member.filename, data)

    def of_file(self, name: str, data: bytes) -> Iterator[Piece]:
        """The picture of a file, or of each of its frames.

        Raises:
            TooManyImages, JobTooLarge, NoRoom
        """
        whole = Piece(clean_name(name), data)
        try:
            if sniff(data) == DICOM:
                instance, standing = _read(data, self._limits.max_image_pixels)
                whole = replace(whole, standing=standing)
            else:
                instance = None
                check(data, self._limits.max_image_pixels)
        except RequestError as error:
            yield replace(whole, data=b"", fault=error)
            return
        if instance is not None and instance.frames > 1 and self._all_frames:
            yield from self._frames(whole.name, instance)
            return
        self._allowance.take_bytes(len(data))
        yield whole

    def _frames(self, name: str, instance: "Instance") -> Iterator[Piece]:
        from oncoserve.pictures.dicom.one_frame import frame_of  # noqa: PLC0415 - see `_read`
        from oncoserve.pictures.dicom.standing import standing_of  # noqa: PLC0415

        pixel_bytes = (
            instance.rows * instance.columns * instance.samples * max(1, int(instance.dataset.BitsAllocated) // 8)
        )
        self._allowance.take_images(instance.frames - 1)
        self._allowance.foresee(instance.frames * pixel_bytes)
        self._room(COPIES * pixel_bytes + len(instance.data))
        for number in range(1, instance.frames + 1):
            shown = f", frame {number}"
            piece = Piece(name[: NAME_LIMIT - len(shown)] + shown)
            try:
                piece = replace(piece, standing=standing_of(instance, number))
                piece = replace(piece, data=frame_of(instance, number))
            except RequestError as error:
                yield replace(piece, fault=error)
                continue
            self._allowance.take_bytes(len(piece.data))
            yield piece


def _read(data: bytes, max_pixels: int) -> "tuple[Instance, Standing]":
    """A DICOM file, and where its first frame stands; what reads it is imported with the first one: see `decode`."""
    from oncoserve.pictures.dicom.instance import read_instance  # noqa: PLC0415
    from oncoserve.pictures.dicom.standing import standing_of  # noqa: PLC0415

    instance = read_instance(data, max_pixels)
    return instance, standing_of(instance, 1)
