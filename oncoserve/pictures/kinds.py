"""What kind of file the bytes are, told by their content alone."""

from oncoserve.errors import EmptyUpload, UnsupportedImage

SIGNATURES = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
# Named only to tell the caller what was sent instead.
OTHER_SIGNATURES = {
    b"GIF8": "a GIF",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
    b"II+\x00": "a BigTIFF",
    b"RIFF": "a WebP",
    b"BM": "a BMP",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"<svg": "an SVG",
}


def sniff(data: bytes) -> str:
    """Tell the format by content: "PNG" or "JPEG".

    Raises:
        EmptyUpload: no bytes.
        UnsupportedImage: anything else; says what it looks like.
    """
    if not data:
        raise EmptyUpload
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            return name
    if data[128:132] == b"DICM":
        raise UnsupportedImage("a DICOM file")
    for signature, name in OTHER_SIGNATURES.items():
        if data.startswith(signature):
            raise UnsupportedImage(name)
    raise UnsupportedImage("text" if data[:512].isascii() else "unknown binary data")
