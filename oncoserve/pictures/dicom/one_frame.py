"""One frame of an instance as a file of its own: with its pixels for a job, and without for what refers to it."""

import contextlib
import copy
import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_data_element
from pydicom.uid import UID

from oncoserve.pictures.dicom.frame_pixels import pixels_of
from oncoserve.pictures.dicom.instance import PIXELS, Instance
from oncoserve.pictures.dicom.library_faults import GIVES_UP, reading
from oncoserve.pictures.dicom.place import Place
from oncoserve.pictures.dicom.transfer_syntaxes import EXPLICIT

PICTURES: Final = frozenset({*PIXELS, "IconImageSequence", "DigitalSignaturesSequence"})
"""Elements with pixels, or with what is true of them alone."""
OVERLAYS: Final = (*range(0x5000, 0x5100), *range(0x6000, 0x6100))
"""Groups of curves and overlays (PS3.5, 7.6)."""
PER_FRAME: Final = "PerFrameFunctionalGroupsSequence"
BYTE_BITS: Final = 8
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
UNNAMED: Final = "2.25.0"


def header_of(instance: Instance, number: int) -> bytes:
    """A file in explicit little endian with all that is said of a frame, without any pixels.

    Args:
        instance: the image.
        number: of the frame, from 1 on. Of what is said by frame, only its own stays.

    Raises:
        CorruptImage: nothing can be written of what was read.
    """
    with reading("header"):
        return _written(_said(instance, number), _place(instance, number))


def frame_of(instance: Instance, number: int) -> bytes:
    """A file with one frame alone, in explicit little endian, not compressed; it says where the frame was.

    Args:
        instance: the image.
        number: of the frame, from 1 on.

    Raises:
        UnsupportedImage, CorruptImage
    """
    pixels = pixels_of(instance, number)
    with reading("header"):
        said = _said(instance, number)
        said.NumberOfFrames = 1
        _put(said, pixels)
        return _written(said, _place(instance, number))


def _place(instance: Instance, number: int) -> Place:
    return instance.place or Place(number, instance.frames)


def _said(instance: Instance, number: int) -> Dataset:
    said = Dataset()
    said.set_original_encoding(*instance.dataset.original_encoding)
    big_endian = instance.dataset.original_encoding[1] is False
    source = copy.deepcopy(instance.dataset) if big_endian else instance.dataset  # what is changed is a copy
    for tag in source.keys():  # noqa: SIM118 - so that an element is not decoded before it has to be
        element = source.get_item(tag)
        if tag.group not in OVERLAYS and keyword_for_tag(tag) not in PICTURES:
            said[tag] = copy.copy(element)  # what is changed here shall be as it was when the next frame comes
    if len(said.get(PER_FRAME) or []) >= number and instance.place is None:
        said.add_new(said[PER_FRAME].tag, "SQ", [said[PER_FRAME].value[number - 1]])
    if big_endian:
        _swap_words(said)
    return said


def _swap_words(said: Dataset) -> None:
    """Bring words that pydicom keeps as bytes, such as tables, from big to little endian."""
    for tag in said.keys():  # noqa: SIM118 - each may fail by itself
        with contextlib.suppress(*GIVES_UP):
            element = said[tag]
            if element.VR == "SQ":
                for each in element.value:
                    _swap_words(each)
            elif element.VR == "OW" and isinstance(element.value, bytes):
                element.value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes()


def _put(said: Dataset, pixels: NDArray[Any]) -> None:
    """Describe pixels as they are now."""
    if np.issubdtype(pixels.dtype, np.floating):
        said.FloatPixelData = pixels.astype("<f4").tobytes()
        return
    if pixels.ndim > 2:  # noqa: PLR2004 - colours
        said.PhotometricInterpretation, said.PlanarConfiguration = "RGB", 0
    said.BitsAllocated = BYTE_BITS * pixels.dtype.itemsize
    said.HighBit = int(said.get("BitsStored") or said.BitsAllocated) - 1
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    said.add_new("PixelData", "OB" if said.BitsAllocated == BYTE_BITS else "OW", data + b"\0" * (len(data) % 2))


def _written(said: Dataset, place: Place) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = EXPLICIT
    meta.MediaStorageSOPClassUID = UID(said.get("SOPClassUID") or SECONDARY_CAPTURE)
    meta.MediaStorageSOPInstanceUID = UID(said.get("SOPInstanceUID") or UNNAMED)
    if place.frames > 1:
        place.note(meta)
    try:
        return _file(said, meta)
    except GIVES_UP:
        return _file(_writable(said), meta)


def _file(said: Dataset, meta: FileMetaDataset) -> bytes:
    said.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, said, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()


def _writable(said: Dataset) -> Dataset:
    """The elements that can be written: a private one that is no sense shall not take the others with it."""
    found = Dataset()
    found.set_original_encoding(*said.original_encoding)
    for tag in said.keys():  # noqa: SIM118 - each may fail by itself
        with contextlib.suppress(*GIVES_UP):
            element = said[tag]
            write_data_element(_scratch(), element, "iso8859")
            found.add(element)
    return found


def _scratch() -> DicomBytesIO:
    scratch = DicomBytesIO()
    scratch.is_little_endian, scratch.is_implicit_VR = True, False
    return scratch
