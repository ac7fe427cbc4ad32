"""The pixels of one frame of an instance, as they are stored."""

import io
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import pixel_array

from oncoserve.errors import CorruptImage, ImageTooComplex, UnsupportedImage
from oncoserve.pictures.dicom.instance import Instance
from oncoserve.pictures.dicom.library_faults import reading
from oncoserve.pictures.dicom.transfer_syntaxes import JPEG, JPEG_2000, JPEG_LS, LOSSLESS_JPEG, NATIVE, RLE
from oncoserve.pictures.png_jpeg.parts import DAC, DHT, JPG, SOF, jpeg_segments

SIZ: Final = b"\xff\x4f\xff\x51"
"""The beginning of a JPEG 2000 code stream (ISO/IEC 15444-1, A.5.1): its size follows."""
SEARCHED_BYTES: Final = 4096  # before which the boxes of a JP2 file may lie
ELEMENT_BYTES: Final = 12  # tag, VR and length, before pixels that are compressed
ITEM: Final = b"\xfe\xff\x00\xe0"
MOST_ITEMS: Final = 100_000
"""Each is a frame or a part of one."""
MOST_BITS_OF_LOSSY_JPEG: Final = 8
LOSSLESS_FRAMES: Final = frozenset({0xC3, 0xF7})
"""Frames of lossless JPEG and of JPEG-LS."""
FRAMES: Final = frozenset(SOF) - {DHT, JPG, DAC} | LOSSLESS_FRAMES


DECODERS: Final = {
    **dict.fromkeys(JPEG, "pillow"),
    **dict.fromkeys(JPEG_LS, "pyjpegls"),
    **dict.fromkeys(JPEG_2000, "pylibjpeg"),
    RLE: "pydicom",
}
"""Of pydicom's plugins, by transfer syntax. Not GDCM and pylibjpeg-rle: damaged files end the process, or the task."""


def pixels_of(instance: Instance, number: int) -> NDArray[Any]:
    """Decode one frame.

    Args:
        instance: the image.
        number: of the frame, from 1 on.

    Returns:
        (rows, columns) or, of colours, (rows, columns, 3) in RGB; integers as they are stored, in the machine's order.

    Raises:
        UnsupportedImage: it is a JPEG of more than 8 bits in a process that is not read.
        CorruptImage
    """
    with reading("pixels"):
        if instance.syntax not in NATIVE:
            _check_code_stream(instance, number)
        elif not instance.is_whole and len(instance.data) - instance.pixels_at < instance.native_bytes:
            raise CorruptImage("it ends before its picture does")
        source = instance.dataset if instance.is_whole else io.BytesIO(instance.data)
        if instance.syntax in LOSSLESS_JPEG:
            found = _lossless_jpeg(instance, number)
        else:
            found = pixel_array(source, index=number - 1, decoding_plugin=DECODERS.get(instance.syntax, ""))
    size = instance.rows, instance.columns
    if found.shape != (size if instance.samples == 1 else (*size, 3)):
        raise CorruptImage(f"its frame {number} has {list(found.shape)} pixels, and its header says {list(size)}")
    return np.ascontiguousarray(found, found.dtype.newbyteorder("="))


def _check_code_stream(instance: Instance, number: int) -> None:
    """Compare the size that a compressed frame states with the header's, before a decoder takes memory for it.

    Raises:
        UnsupportedImage, CorruptImage
    """
    _check_items(instance.data, instance.pixels_at + ELEMENT_BYTES)
    code = _code_stream(instance, number)
    if instance.syntax in JPEG:
        frame = next((each for each in jpeg_segments(code) if each.marker in FRAMES), None)
        if frame is None:
            raise CorruptImage(f"its frame {number} is no JPEG")
        bits, rows, columns = struct.unpack_from(">BHH", code, frame.start + 4)
        if bits > MOST_BITS_OF_LOSSY_JPEG and frame.marker not in LOSSLESS_FRAMES:
            raise UnsupportedImage(
                f"a DICOM file whose pixels are a JPEG Extended of {bits} bits", "dcmdjpeg in.dcm out.dcm (DCMTK)"
            )
    elif instance.syntax in JPEG_2000:
        start = code.index(SIZ, 0, SEARCHED_BYTES) + len(SIZ)
        right, bottom, left, top = struct.unpack_from(">IIII", code, start + 4)
        rows, columns = bottom - top, right - left
    else:
        return
    if (rows, columns) != (instance.rows, instance.columns):
        raise CorruptImage(
            f"its frame {number} has {columns} x {rows} pixels, and its header says "
            f"{instance.columns} x {instance.rows}"
        )


def _code_stream(instance: Instance, number: int) -> bytes:
    """A compressed frame."""
    stream = io.BytesIO(instance.data)
    stream.seek(instance.pixels_at + ELEMENT_BYTES)
    return get_frame(stream, number - 1, number_of_frames=instance.frames)


def _lossless_jpeg(instance: Instance, number: int) -> NDArray[Any]:
    """A frame of lossless JPEG, by libjpeg-turbo: GDCM, which pydicom would ask, ends the process over damaged ones."""
    try:
        from imagecodecs import jpeg8_decode  # noqa: PLC0415 - 80 MB, which a Lambda function does without
    except ImportError as error:
        words = "Send it to the service itself, or its frames one by one."
        raise UnsupportedImage(
            "a DICOM file of lossless JPEG, whose frames are not told apart here", "", words
        ) from error
    found = np.asarray(jpeg8_decode(_code_stream(instance, number)))
    said = instance.dataset
    if said.PhotometricInterpretation == "YBR_FULL":
        found = convert_color_space(found, "YBR_FULL", "RGB")
    if not said.PixelRepresentation:
        return found.astype(f"u{said.BitsAllocated // 8}")
    spare = said.BitsAllocated - said.BitsStored  # the highest bit that is stored is the sign
    signed = found.astype(f"u{said.BitsAllocated // 8}").view(f"i{said.BitsAllocated // 8}")
    return np.asarray(signed << spare >> spare)


def _check_items(data: bytes, at: int) -> None:
    """Refuse a file that ends within compressed pixels, of which some decoders make a picture all the same.

    Args:
        data: the file.
        at: where the first item is (PS3.5, A.4).

    Raises:
        ImageTooComplex, CorruptImage
    """
    for number in range(1, MOST_ITEMS + 2):
        if number > MOST_ITEMS:
            raise ImageTooComplex("items of pixels", number, MOST_ITEMS)
        if data[at : at + 4] != ITEM:  # the end of the sequence, or of the file, which some leave out
            return
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if at > len(data):
            raise CorruptImage("it ends before its picture does")
