"""A DICOM file whose picture is not decoded yet."""

from dataclasses import replace
from typing import Final

from PIL import Image

from oncoserve.errors import InvalidParameter
from oncoserve.pictures.dicom.brightness import INVERTED, brightness
from oncoserve.pictures.dicom.frame_pixels import pixels_of
from oncoserve.pictures.dicom.instance import read_instance
from oncoserve.pictures.dicom.library_faults import reading
from oncoserve.pictures.dicom.one_frame import header_of
from oncoserve.pictures.dicom.scan import Scan, scan_of
from oncoserve.pictures.dicom.transfer_syntaxes import syntax_of
from oncoserve.pictures.grey_values import kept
from oncoserve.pictures.picture import AS_IT_COMES, Chosen, Picture
from oncoserve.pictures.rgb import Reading

GREY_BYTES: Final = 50
"""Of a grey pixel while its number becomes brightness: some five arrays of eight bytes, what Pillow makes of it,
and the numbers as they are kept."""


class DicomHeader:
    """See `Header`.

    Args:
        data: the file's bytes.
        max_pixels: limit on rows times columns.
        chosen: the frame, and the window.

    Raises:
        UnsupportedImage, ImageTooLarge, ImageTooComplex, CorruptImage, InvalidParameter
    """

    def __init__(self, data: bytes, max_pixels: int, chosen: Chosen = AS_IT_COMES) -> None:
        self._instance = read_instance(data, max_pixels)
        self._number, self._window = chosen.frame or 1, chosen.window
        if self._number > self._instance.frames:
            raise InvalidParameter(f"Parameter 'frame' is {self._number}, and the file has {self._instance.frames}.")
        self.data = data
        self.dpi: tuple[float, float] | None = None
        self.width, self.height = self._instance.columns, self._instance.rows
        with reading("header"):
            self._scan = scan_of(self._instance, self._number, chosen=chosen.frame is not None)
        self.scan: Scan | None = self._scan
        self.quick = False
        self.decoding_bytes = self.width * self.height * GREY_BYTES + len(data)

    def decode(self, background: str, at_least: int | None = None) -> Picture:
        """Decode; see `Header`. It has no transparency, and is always decoded at its size."""
        del background, at_least
        instance, number = self._instance, self._number
        with reading("header"):
            said = instance.of_frame(number)
            bits = int(said.get("BitsStored") or instance.dataset.BitsAllocated)
        with reading("pixels"):
            shown, window, values = brightness(pixels_of(instance, number), said, self._window)
        image = Image.fromarray(shown).convert("RGB")
        png, grey = (
            (None, None) if values is None else kept(values, inverted=said.PhotometricInterpretation == INVERTED)
        )
        scan = replace(self._scan, window=window, grey=grey)
        source = header_of(instance, number)
        return Picture(image, "DICOM", reading=Reading(bits), scan=scan, source=source, values=png)


def check_syntax(beginning: bytes) -> None:
    """Refuse a file by the way in which its pixels are coded, which stands at its beginning.

    Raises:
        UnsupportedImage, CorruptImage
    """
    with reading("header"):
        syntax_of(beginning)
