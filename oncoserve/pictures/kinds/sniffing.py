"""What kind of file the bytes are, told by their content alone, and how a kind that is not read becomes a PNG.

The table names what people in this field have at hand. A kind that is supported one day is a row less.
"""

import re
import zlib
from typing import Final

from oncoserve.errors import CorruptImage, EmptyUpload, UnsupportedImage
from oncoserve.pictures.kinds import tiff
from oncoserve.pictures.kinds.kinds_of_text import DECODE, FORM, from_base64, text_kind
from oncoserve.pictures.kinds.unread import CODECS, SLICE, UNPACK, Unread, magick

SIGNATURES: Final = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}

ARRAY: Final = (
    'python -c "import numpy as n,PIL.Image as i;'
    "i.fromarray(n.load('in.npy')).save('out.png')\" (8-bit values, height x width x 3)"
)
SAVE: Final = "Save the picture in it as PNG, in the program that it comes from."
EXPORT_REGION: Final = "Export the region that you need as PNG, in the program that it comes from."

DICOM: Final = "DICOM"
DICOMDIR: Final = Unread("a DICOMDIR, which is a list of DICOM files", words="Take the files that it names.")
ANALYZE: Final = Unread("an Analyze volume", SLICE.format("hdr"))
ANALYZE_BYTES: Final = 348  # of its header, which begins with this number
MGH: Final = Unread("a FreeSurfer MGH volume", words="Make a NIfTI of it (mri_convert in.mgz out.nii.gz), and a slice.")
MGH_BYTES: Final = 284  # of its header, whose end is empty
NIFTI: Final = Unread("a NIfTI volume", SLICE.format("nii.gz"))
HDF5: Final = Unread("an HDF5 file, such as MINC 2 or MATLAB 7.3", words=SAVE)
HEIF: Final = Unread("a HEIC or HEIF picture", magick("heic"))
OFFICE: Final = Unread("an Office document", words=SAVE)

BEGINNINGS: Final[tuple[tuple[int, bytes, Unread], ...]] = (
    (0, b"GIF8", Unread("a GIF", magick("gif"))),
    (0, b"BM", Unread("a BMP", magick("bmp"))),
    (-18, b"TRUEVISION-XFILE", Unread("a TGA picture", magick("tga"))),
    (0, b"\xd7\xcd\xc6\x9a", Unread("a Windows metafile", words=SAVE)),
    (40, b" EMF", Unread("a Windows metafile", words=SAVE)),
    (8, b"WEBP", Unread("a WebP", magick("webp"))),
    (8, b"AVI ", Unread("an AVI video", "ffmpeg -i in.avi -frames:v 1 out.png")),
    (8, b"WAVE", Unread("a sound file")),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", Unread("a JPEG 2000 picture", magick("jp2"))),
    (0, b"\xff\x4f\xff\x51", Unread("a JPEG 2000 codestream", magick("j2k"))),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", Unread("a JPEG XL picture", "djxl in.jxl out.png")),
    (0, b"\xff\x0a", Unread("a JPEG XL picture", "djxl in.jxl out.png")),
    (0, b"II\xbc\x01", Unread("a JPEG XR picture", CODECS.format("jxr"))),
    (0, b"8BPS", Unread("a Photoshop document", magick("psd"))),
    (0, b"gimp xcf", Unread("a GIMP document", magick("xcf"))),
    (0, b"v/1\x01", Unread("an OpenEXR picture", magick("exr"))),
    (0, b"#?RADIANCE", Unread("a Radiance picture", magick("hdr"))),
    (0, b"qoif", Unread("a QOI picture", magick("qoi"))),
    (0, b"\0\0\1\0", Unread("an icon (ICO)", magick("ico"))),
    (0, b"icns", Unread("an icon (ICNS)", magick("icns"))),
    (0, b"DDS ", Unread("a DDS texture", magick("dds"))),
    (0, b"\x01\xda", Unread("an SGI picture", magick("sgi"))),
    (0, b"\x0a\x05\x01", Unread("a PCX picture", magick("pcx"))),
    (0, b"\x8aMNG", Unread("an MNG animation", magick("mng"))),
    (0, b"\x8bJNG", Unread("a JNG picture", magick("jng"))),
    (0, b"AT&TFORM", Unread("a DjVu document", words=SAVE)),
    (0, b"FUJIFILMCCD-RAW", Unread("a camera's raw file", magick("raf"))),
    (0, b"IIRO", Unread("a camera's raw file", magick("orf"))),
    (0, b"IIU\0", Unread("a camera's raw file", magick("rw2"))),
    (0, b"%PDF", Unread("a PDF", "pdftoppm -png -r 200 -singlefile in.pdf out")),
    (0, b"%!PS", Unread("a PostScript file", magick("eps"))),
    (0, b"SIMPLE  =", Unread("a FITS file", magick("fits"))),
    (0, b"NRRD000", Unread("an NRRD volume", SLICE.format("nrrd"))),
    (0, b"MATLAB ", Unread("a MATLAB file", words=SAVE)),
    (0, b"CDF\x01", Unread("a NetCDF file, such as MINC 1", words=SAVE)),
    (0, b"CDF\x02", Unread("a NetCDF file, such as MINC 1", words=SAVE)),
    (0, b"\x93NUMPY", Unread("a NumPy array", ARRAY)),
    (0, b"ZISRAWFILE", Unread("a Zeiss CZI slide", words=EXPORT_REGION)),
    (0, b"\xda\xce\xbe\x0a", Unread("a Nikon ND2 file", words=EXPORT_REGION)),
    (0, b"\x70\0\0\0", Unread("a Leica LIF file", words=EXPORT_REGION)),
    (0, b"\xef\xbb\xbf[GENERAL]", Unread("a part of a MIRAX slide", words=EXPORT_REGION)),
    (0, b"[GENERAL]", Unread("a part of a MIRAX slide", words=EXPORT_REGION)),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Unread("an Office document or a Zeiss ZVI file", words=SAVE)),
    (0, b"7z\xbc\xaf\x27\x1c", Unread("a 7z archive", words=UNPACK.format("7z x in.7z"))),
    (0, b"Rar!\x1a\x07", Unread("a RAR archive", words=UNPACK.format("unrar x in.rar"))),
    (257, b"ustar", Unread("a tar archive", words=UNPACK.format("tar -xf in.tar"))),
    (0, b"BZh", Unread("a bzip2 archive", words=UNPACK.format("bunzip2 in.bz2"))),
    (0, b"\xfd7zXZ\0", Unread("an xz archive", words=UNPACK.format("unxz in.xz"))),
    (0, b"\x28\xb5\x2f\xfd", Unread("a Zstandard archive", words=UNPACK.format("unzstd in.zst"))),
    (0, b"PAR1", Unread("a Parquet table")),
    (0, b"SQLite format 3", Unread("an SQLite database")),
    (0, b"\x7fELF", Unread("a program")),
    (0, b"MZ", Unread("a program")),
    (0, b"\x1aE\xdf\xa3", Unread("a Matroska or WebM video", "ffmpeg -i in.mkv -frames:v 1 out.png")),
    (0, b"\0\0\1\xba", Unread("an MPEG video", "ffmpeg -i in.mpg -frames:v 1 out.png")),
    (0, b"\0\0\1\xb3", Unread("an MPEG video", "ffmpeg -i in.mpg -frames:v 1 out.png")),
)  # fmt: skip
"""Where a signature stands, the signature, and what it tells."""

VIDEO: Final = Unread("an MP4 or QuickTime video", "ffmpeg -i in.mp4 -frames:v 1 out.png")
PATTERNS: Final = (
    (re.compile(rb"P[1-7Ff]\s"), Unread("a PNM picture (PBM, PGM, PPM, PAM, PFM)", magick("ppm"))),
    (re.compile(rb"\x80[\2-\5]"), Unread("a Python pickle", words=SAVE)),
)
FIRST_BOXES: Final = {b"moov", b"mdat", b"wide", b"free", b"skip"}
BRANDS: Final = {
    b"avif": Unread("an AVIF picture", magick("avif")),
    b"avis": Unread("an AVIF picture", magick("avif")),
    b"crx ": Unread("a camera's raw file", magick("cr3")),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIF),
}
IN_A_ZIP: Final = (
    (rb"\[Content_Types\]|(?:word|xl|ppt)/|mimetypeapplication/vnd\.", OFFICE),
    (rb"[^/]*/data\.pkl|[^/]+\.npy", Unread("NumPy or PyTorch data", words=SAVE)),
)
UNKNOWN: Final = Unread("unknown binary data", words=SAVE)
ZIP: Final = Unread(
    "a ZIP archive", words=UNPACK.format("unzip in.zip") + " A job takes it as it is, in a field 'images'."
)

PK: Final = (b"PK\3\4", b"PK\5\6")
PROGRAMS: Final = (b"MZ", b"\x7fELF")

# Bytes above 127, line ends or zeros of a PNG do not come through a transfer that takes it for text.
CHANGED_PNG: Final = re.compile(rb"(?:\x89|\t|\xc2\x89|\xe2\x80\xb0|\xef\xbf\xbd|\?)PNG(?:\r\r?\n|\n|\r)?\x1a")
CHANGED_JPEG: Final = re.compile(rb"(?:\xef\xbf\xbd){3}|\xc3\xbf\xc3\x98\xc3\xbf")
BY_CURL_D: Final = re.compile(rb"\xff\xd8\xff[\xdb-\xfe][^\r\n\0]{64,}\Z")  # lengths in a JPEG have zeros
AS_TEXT: Final = (
    "it was sent as text, which changes it; send its bytes as they are (with curl: -F image=@scan.png or --data-binary)"
)
LATER: Final = re.compile(rb"\x89PNG\r\n\x1a\n\0\0\0\rIHDR|\xff\xd8\xff[\xc0\xc2\xdb\xe0-\xef\xfe]")
SEARCHED_BYTES: Final = 4096

DICM, PREAMBLE = b"DICM", 128
# A data set without preamble begins with an element of group 2 or 8: its type, or in the implicit form its length.
BARE_DICOM: Final = re.compile(
    rb"[\2\10]\0.\0(?:[A-Z]{2}|.[\0-\3]\0\0)|\0[\2\10]\0.(?:[A-Z]{2}|\0\0[\0-\3].)", re.DOTALL
)
LIST_OF_FILES: Final = re.compile(rb"1\.2\.840\.10008\.1\.3\.10(?![.\d])")


def sniff(data: bytes) -> str:
    """Tell the format by content: "PNG", "JPEG" or "DICOM".

    Args:
        data: the file, or its beginning.

    Raises:
        EmptyUpload: no bytes.
        UnsupportedImage: anything else; says what it is and how to convert it.
        CorruptImage: a PNG or JPEG that was changed as if it were text.
    """
    if not data:
        raise EmptyUpload
    if BY_CURL_D.match(data):
        raise CorruptImage(AS_TEXT)
    if name := _read(data):
        return name
    if CHANGED_PNG.match(data) or CHANGED_JPEG.match(data):
        raise CorruptImage(AS_TEXT)
    found = _kind(data) or _packed(data) or _coded(data) or text_kind(data) or _later(data)
    raise UnsupportedImage(*(found or UNKNOWN))


def _read(data: bytes) -> str | None:
    name = next((name for signature, name in SIGNATURES.items() if data.startswith(signature)), None)
    return name or (DICOM if _is_dicom(data) and not LIST_OF_FILES.search(data, 0, SEARCHED_BYTES) else None)


def _is_dicom(data: bytes) -> bool:
    """With its preamble, without it, or without the group that names its coding, too."""
    return data[PREAMBLE : PREAMBLE + 4] == DICM or data.startswith(DICM) or bool(BARE_DICOM.match(data))


def name_of(data: bytes) -> str | None:
    """The kind in words, be it read or not, such as "a TIFF"; None for text, archives and what is not known.

    Args:
        data: the file, or its beginning.
    """
    name = _read(data)
    return f"a {name}" if name else kind.name if (kind := _kind(data)) else None


def is_zip(data: bytes) -> bool:
    """Whether it is a ZIP archive of any files, and none of the kinds of file that are such archives inside.

    Args:
        data: the file, or its beginning.
    """
    return data.startswith(PK) and _packed(data) == ZIP


def is_beside(name: str, data: bytes) -> bool:
    """Whether it is what lies beside the pictures on a disc: its list of DICOM files, a text or a program.

    What is named as a picture is none of it: somebody may miss that.

    Args:
        name: of the file.
        data: the file, or its beginning.
    """
    if _is_dicom(data):
        return _read(data) is None
    named = name.lower().endswith((".png", ".jpg", ".jpeg", ".dcm"))
    if named or not data:
        return False
    return data.startswith(PROGRAMS) or (_kind(data) is None and text_kind(data) is not None)


def _kind(data: bytes) -> Unread | None:
    """What the first bytes say, of a file that is not packed."""
    # Lists of DICOM first: their preamble may be the beginning of a TIFF (DICOM PS3.10, section 7.1).
    if found := _medical(data) or tiff.kind(data) or _boxed(data):
        return found
    for place, signature, kind in BEGINNINGS:
        if data.startswith(signature, place):
            return kind
    return next((kind for pattern, kind in PATTERNS if pattern.match(data)), None)


def _boxed(data: bytes) -> Unread | None:
    """Kinds of ISO's file of boxes (ISO/IEC 14496-12)."""
    if data[4:8] == b"ftyp":
        brands = [data[8:12], *(data[at : at + 4] for at in range(16, min(int.from_bytes(data[:4]), 64), 4))]
        return next((kind for brand, kind in BRANDS.items() if brand in brands), VIDEO)
    return VIDEO if data[4:8] in FIRST_BOXES else None


def _medical(data: bytes) -> Unread | None:
    """Volumes and lists of DICOM, whose signatures do not stand at the beginning."""
    if _is_dicom(data):
        return DICOMDIR
    if data[344:347] in {b"n+1", b"ni1"} or data[4:7] in {b"n+2", b"ni2"}:
        return NIFTI
    if any(data.startswith(b"\x89HDF\r\n\x1a\n", place) for place in (0, 512, 1024, 2048)):
        return HDF5
    if data[:4] in {b"\x5c\1\0\0", b"\0\0\1\x5c"} and len(data) >= ANALYZE_BYTES:
        return ANALYZE
    if data[:4] == b"\0\0\0\1" and len(data) > MGH_BYTES and not any(data[30:MGH_BYTES]):
        return MGH
    return None


def _packed(data: bytes) -> Unread | None:
    """An archive, by what is in it."""
    if data.startswith(PK):
        return next((kind for names, kind in IN_A_ZIP if re.match(names, data[30:200])), ZIP)
    if not data.startswith(b"\x1f\x8b"):
        return None
    try:
        beginning = zlib.decompressobj(wbits=31).decompress(data[:SEARCHED_BYTES], SEARCHED_BYTES)
    except zlib.error:
        beginning = b""
    if _kind(beginning) == NIFTI:
        return NIFTI
    name = name_of(beginning)
    words = UNPACK.format("gunzip in.gz; a .tar.gz with tar -xf in.tar.gz")
    return Unread(f"{name}, packed with gzip" if name else "a gzip archive", words=words)


def _coded(data: bytes) -> Unread | None:
    """Base64."""
    inner = from_base64(data)
    if inner is None:
        return None
    name = name_of(inner)
    return Unread(f"base64 text of {name}" if name else "base64 text", words=DECODE)


def _later(data: bytes) -> Unread | None:
    """A picture that something else stands in front of."""
    if data.count(0) == len(data):  # fourteen times as fast as any(), which holds the interpreter a second for 256 MiB
        return Unread("zeros alone, as a broken copy leaves them")
    found = LATER.search(data, 1, SEARCHED_BYTES)
    if found is None:
        return None
    if text_kind(data[: found.start()]) == FORM:
        return FORM
    start = found.start() + 1
    return Unread(
        f"a {_read(data[found.start() :])} that begins only at byte {start}",
        words=f"Cut off what stands in front: tail -c +{start} in > out.",
    )
