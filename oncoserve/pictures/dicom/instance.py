"""An instance whose pixels are not decoded yet: read with bounds, since nobody knows who made it."""

import io
from dataclasses import dataclass
from typing import Final

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.uid import UID

from oncoserve.errors import CorruptImage, ImageTooComplex, ImageTooLarge, UnsupportedImage
from oncoserve.pictures.dicom.header_bounds import check_nesting, check_size
from oncoserve.pictures.dicom.library_faults import reading
from oncoserve.pictures.dicom.place import Place, place_in
from oncoserve.pictures.dicom.transfer_syntaxes import DEFLATED, EXPLICIT, IMPLICIT, file_group, inflated, syntax_of

MOST_READS: Final = 500_000
"""Of the reader, which needs one and more for each element: some seconds, where an image has a few hundred elements."""
MOST_INFLATED_BYTES: Final = 2**27
COLOURS: Final = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_RCT": 3,
    "YBR_ICT": 3,
}
"""Samples of a pixel, by photometric interpretation."""
BITS: Final = frozenset({1, 8, 16, 32})
SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.4"
"""Its pixels are what somebody found in another image."""
GROUPS: Final = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


class _Counted(io.BytesIO):
    """Bytes that are read so many times at most."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file.

        Raises:
            ImageTooComplex: there are more elements than an image has.
        """
        self.reads += 1
        if self.reads > MOST_READS:
            raise ImageTooComplex("reads of elements", self.reads, MOST_READS)
        return super().read(size)


@dataclass(frozen=True)
class Instance:
    """A DICOM image.

    Attributes:
        data: the file.
        dataset: all of it but the pixels; with them, where it is whole.
        pixels_at: where in the file the element of the pixels begins.
        syntax: its transfer syntax.
        rows, columns: pixels of a frame.
        frames: how many.
        samples: of a pixel.
        is_whole: whether the file's own bytes do not lead a decoder: it was deflated, or does not say how it is coded.
        place: where it was, if it is one frame that was cut out of a file with several.
    """

    data: bytes
    dataset: Dataset
    pixels_at: int
    syntax: UID
    rows: int
    columns: int
    frames: int
    samples: int
    is_whole: bool
    place: Place | None = None

    @property
    def native_bytes(self) -> int:
        """Of all frames without compression, at least: YBR_FULL_422 has two samples for a pixel."""
        subsampled = self.dataset.get("PhotometricInterpretation") == "YBR_FULL_422"
        samples = self.rows * self.columns * self.frames * (2 if subsampled else self.samples)
        return samples * int(self.dataset.BitsAllocated) // 8

    def of_frame(self, number: int) -> Dataset:
        """What is said of a frame, as if it were an instance of its own: what all frames share, and what is its own.

        Args:
            number: of the frame, from 1 on.
        """
        return flattened(self.dataset, number)


def flattened(dataset: Dataset, number: int) -> Dataset:
    """What is said of a frame, in one level, without pixels.

    Args:
        dataset: of an image; what it says by frame is in functional groups (PS3.3, C.7.6.16).
        number: of the item that is the frame's, from 1 on.
    """
    flat = Dataset()
    flat.set_original_encoding(*dataset.original_encoding)
    for tag in dataset.keys():  # noqa: SIM118 - an element that nobody needs may be no sense
        if keyword_for_tag(tag) not in {*PIXELS, *GROUPS}:
            flat[tag] = dataset.get_item(tag)
    shared, own = (dataset.get(name) or [] for name in GROUPS)
    for groups in (*shared, *own[number - 1 : number]):
        for group in groups:
            if group.VR == "SQ" and group.value:
                flat.update(group.value[0])
    return flat


def read_instance(data: bytes, max_pixels: int) -> Instance:
    """What an instance says of itself; what can be refused by that is refused.

    Args:
        data: the file. Without the preamble and the group that names the transfer syntax it is taken as the standard's
            default, as pydicom does.
        max_pixels: limit on rows times columns.

    Raises:
        UnsupportedImage: it has no pixels, or they are coded in a way that is not read.
        ImageTooLarge, ImageTooComplex, CorruptImage
    """
    with reading("header"):
        syntax = syntax_of(data)
        deflated = syntax == DEFLATED
        whole = deflated or not file_group(data)[0]
        stream = _Counted(inflated(data, MOST_INFLATED_BYTES) if deflated else data)
        dataset = pydicom.dcmread(stream, force=True, stop_before_pixels=not whole)
        check_size(b"" if whole else data[: stream.tell()])
        check_nesting(dataset)
        if whole:
            dataset.file_meta.TransferSyntaxUID = EXPLICIT if not dataset.original_encoding[0] else IMPLICIT
        if "Rows" not in dataset or "Columns" not in dataset or dataset.get("SOPClassUID") == SEGMENTATION:
            raise _without_pixels(dataset)
        rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
        none_said = dataset.get("NumberOfFrames") in (0, "0")  # by some that have one
        frames = 1 if none_said else _whole(dataset, "NumberOfFrames", 1)
        colour = str(dataset.get("PhotometricInterpretation") or "nothing")
        samples = _whole(dataset, "SamplesPerPixel", COLOURS.get(colour, 1))
        bits = _whole(dataset, "BitsAllocated")
        stored = _whole(dataset, "BitsStored", bits)
    if rows * columns > max_pixels:
        raise ImageTooLarge(columns, rows, max_pixels)
    if COLOURS.get(colour) != samples:
        kind = colour if colour in COLOURS else "colours of a kind that is not read"
        raise CorruptImage(f"it has {samples} samples of {kind} for a pixel")
    if bits not in BITS or not 0 < stored <= bits:
        raise CorruptImage(f"it has {stored} bits in {bits} for a sample")
    place = place_in(dataset)
    return Instance(data, dataset, stream.tell(), syntax, rows, columns, frames, samples, whole, place)


def _whole(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """A number of the header that has to be 1 and more.

    Raises:
        CorruptImage: it is not.
    """
    value = dataset.get(keyword)
    if value in (None, "") and default is not None:
        return int(default)
    try:
        number = int(value)
    except (TypeError, ValueError) as error:  # it may be anything, and is not repeated
        raise CorruptImage(f"its {keyword} is no number") from error
    if number < 1:
        raise CorruptImage(f"its {keyword} is {number}, and has to be 1 or more")
    return number


def _without_pixels(dataset: Dataset) -> UnsupportedImage:
    kind = dataset.get("SOPClassUID")
    named = f" ({UID(kind).name})" if kind and UID(kind).name != kind else ""
    lacks = "that is made of another image" if kind == SEGMENTATION else "without pixels"
    return UnsupportedImage(f"a DICOM object {lacks}{named[:80]}", "", "Send the image that it is about.")
