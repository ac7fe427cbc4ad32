"""Every kind of file that people have at hand is named, and a command converts it."""

import base64
import gzip
import io
import json
import pickle
import shlex
import signal
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import CorruptImage, EmptyUpload, UnsupportedImage
from oncoserve.pictures.kinds import kinds_of_text, sniffing, tiff
from oncoserve.pictures.kinds.sniffing import sniff
from oncoserve.pictures.kinds.unread import Unread
from testbed.encoded_pictures import encoded, noise

RGB = noise((60, 40))
PNG, JPEG = encoded(RGB), encoded(noise((400, 300)), "JPEG")
IN_TEXT = base64.b64encode(PNG)
WITH_EXIF = JPEG[:2] + b"\xff\xe1\0\x1cExif\0\0MM\0*\0\0\0\x08" + bytes(12) + JPEG[20:]
FORM = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n%b\r\n--x--\r\n'
ELEMENT = b"\x08\0\x05\0CS\x0a\0ISO_IR 100\x08\0\x16\0UI\x1a\x001.2.840.10008.5.1.4.1.1.4"
META = b"\2\0\0\0UL\4\0\xc0\0\0\0\2\0\2\0UI\x1a\x00"


def by_curl_d(data):
    return b"".join(line.partition(b"\0")[0] for line in data.replace(b"\r", b"").split(b"\n"))


def nifti(order="<", magic=b"n+1\0", size=348, place=344):
    data = bytearray(600)
    struct.pack_into(order + "i", data, 0, size)
    data[place : place + len(magic)] = magic
    return bytes(data)


def packed(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, PNG)
    return buffer.getvalue()


def tarred(mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    return buffer.getvalue()


def boxes(*brands):
    return struct.pack(">I", 12 + 4 * len(brands)) + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:]) + bytes(40)


def tagged(tag, words, *, order="<", big=False):
    """A TIFF with one tag; its words behind the directory."""
    mark = {"<": b"II", ">": b"MM"}[order]
    if big:
        head = struct.pack(f"{order}HHHQ", 43, 8, 0, 16) + struct.pack(f"{order}QHHQQ", 1, tag, 2, len(words), 52)
        return mark + head + bytes(8) + words
    head = struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}HHHII", 1, tag, 2, len(words), 26)
    return mark + head + bytes(4) + words


def array():
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(RGB))
    return buffer.getvalue()


CASES = [
    *((encoded(RGB, kind), name) for kind, name in {
        "GIF": "a GIF", "BMP": "a BMP", "TIFF": "a TIFF", "WEBP": "a WebP", "ICO": "an icon (ICO)",
        "PPM": "a PNM picture (PBM, PGM, PPM, PAM, PFM)", "TGA": "a TGA picture", "PCX": "a PCX picture",
        "EPS": "a PostScript file", "PDF": "a PDF", "JPEG2000": "a JPEG 2000 picture", "AVIF": "an AVIF picture",
        "DDS": "a DDS texture", "SGI": "an SGI picture"}.items()),
    (encoded(RGB, "JPEG2000", no_jp2=True), "a JPEG 2000 codestream"),
    (bytes(128) + b"DICM" + META + b"1.2.840.10008.1.3.10", "a DICOMDIR, which is a list of DICOM files"),
    (nifti(), "a NIfTI volume"),
    (nifti(">"), "a NIfTI volume"),
    (nifti(magic=b"ni1\0"), "a NIfTI volume"),
    (nifti(size=540, magic=b"n+2\0\r\n\x1a\n", place=4), "a NIfTI volume"),
    (gzip.compress(nifti()), "a NIfTI volume"),
    (nifti(magic=b""), "an Analyze volume"),
    (struct.pack(">7i", 1, 256, 256, 256, 1, 0, 0) + bytes(900), "a FreeSurfer MGH volume"),
    (b"NRRD0004\ntype: short\n", "an NRRD volume"),
    (b"ObjectType = Image\nNDims = 3\nElementDataFile = LOCAL\n", "a MetaImage volume"),
    (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file, such as MINC 2 or MATLAB 7.3"),
    (bytes(512) + b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as MINC 2 or MATLAB 7.3"),
    (b"CDF\x01" + bytes(99), "a NetCDF file, such as MINC 1"),
    (tagged(270, b"Aperio Image Library v11.2.1\r\n46000x32914"), "an Aperio SVS slide"),
    (tagged(270, b"Aperio Image Library", order=">", big=True), "an Aperio SVS slide"),
    (tagged(270, b'<?xml?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'), "a Leica SCN slide"),
    (tagged(305, b"NDP.scan 2.5"), "a Hamamatsu NDPI slide"),
    (tagged(65420, b"1"), "a Hamamatsu NDPI slide"),
    (tagged(270, b'<?xml version="1.0"?><OME xmlns="">'), "an OME-TIFF"),
    (tagged(270, b"ImageJ=1.53"), "a TIFF of ImageJ"),
    (tagged(270, b"x", big=True), "a BigTIFF"),
    (tagged(50706, b"1"), "a camera's raw file (DNG)"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*\xff\xff\xff\xff", "a TIFF"),
    (b"[GENERAL]\r\nSLIDE_VERSION = 01.02", "a part of a MIRAX slide"),
    (b"ZISRAWFILE" + bytes(50), "a Zeiss CZI slide"),
    (boxes(b"heic", b"mif1", b"heic"), "a HEIC or HEIF picture"),
    (boxes(b"mif1", b"heic"), "a HEIC or HEIF picture"),
    (boxes(b"mif1", b"mif1", b"avif", b"miaf"), "an AVIF picture"),
    (boxes(b"isom", b"mp41"), "an MP4 or QuickTime video"),
    (boxes(b"qt  "), "an MP4 or QuickTime video"),
    (b"\0\0\0\x08wide\0\0\1\0mdat", "an MP4 or QuickTime video"),
    (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "a JPEG XL picture"),
    (b"\xff\x0a" + bytes(20), "a JPEG XL picture"),
    (b"II\xbc\x01" + bytes(20), "a JPEG XR picture"),
    (b"RIFF" + bytes(4) + b"AVI LIST", "an AVI video"),
    (b"8BPS\0\1" + bytes(20), "a Photoshop document"),
    (b"v/1\x01" + bytes(20), "an OpenEXR picture"),
    (array(), "a NumPy array"),
    (pickle.dumps(np.asarray(RGB)), "a Python pickle"),
    (gzip.compress(b"words " * 50), "a gzip archive"),
    (gzip.compress(PNG), "a PNG, packed with gzip"),
    (tarred("w:gz"), "a tar archive, packed with gzip"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (tarred(), "a tar archive"),
    (packed("a.png"), "a ZIP archive"),
    (packed("ppt/presentation.xml"), "an Office document"),
    (packed("a.npy"), "NumPy or PyTorch data"),
    (b"PK\5\6" + bytes(18), "a ZIP archive"),
    (b"7z\xbc\xaf'\x1c\0\4", "a 7z archive"),
    (b"Rar!\x1a\x07\1\0", "a RAR archive"),
    (b'<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    (b"<svg/>", "an SVG drawing"),
    (b"\n <!DOCTYPE HTML><title>Log in</title>", "an HTML page"),
    (b"\xef\xbb\xbf<?xml version='1.0'?><a/>", "an XML document"),
    ("<?xml version='1.0'?><a/>".encode("utf-16"), "an XML document"),
    (b'{"image": 1}', "JSON"),
    (b"[1, 2]", "JSON"),
    (json.dumps({"id": 1, "image": IN_TEXT.decode()}).encode(), "JSON with a coded picture in it"),
    (json.dumps({"image": "data:image/png;base64," + IN_TEXT.decode()}).encode(), "JSON with a coded picture in it"),
    (json.dumps({"type": "Buffer", "data": list(PNG)}).encode(), "JSON with a coded picture in it"),
    (IN_TEXT, "base64 text of a PNG"),
    (base64.encodebytes(PNG), "base64 text of a PNG"),
    (b'"' + IN_TEXT + b'"\n', "base64 text of a PNG"),
    (base64.urlsafe_b64encode(JPEG), "base64 text of a JPEG"),
    (b"data:image/png;base64," + IN_TEXT, "base64 text of a PNG"),
    (base64.b64encode(nifti()), "base64 text of a NIfTI volume"),
    (PNG.hex().encode(), "a picture in hexadecimal"),
    (repr(PNG).encode(), "Python's notation of a picture's bytes"),
    (b"image=@scan.png", "a form field, not a file"),
    (b"image=" + IN_TEXT.replace(b"+", b"%2B"), "a form field, not a file"),
    (b"/home/me/scan.png\n", "the name of a file, not its content"),
    (b"C:\\scans\\scan.jpg", "the name of a file, not its content"),
    (b"https://example.org/scan.png", "an address, not the file there"),
    (b"[object File]", "the name of a JavaScript object, not its content"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "a Git LFS pointer"),
    (FORM % PNG, "a multipart form whose Content-Type does not say so"),
    (FORM % b"words", "a multipart form whose Content-Type does not say so"),
    (b"words and more words", "text"),
    (b" 0   0    0\n 1   1    1\n" * 20, "text"),
    ("Größe, 名前".encode(), "text"),
    (b"\r\n" + PNG, "a PNG that begins only at byte 3"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + JPEG, "a JPEG that begins only at byte 20"),
    (bytes(900), "zeros alone, as a broken copy leaves them"),
    (np.random.default_rng(0).bytes(900), "unknown binary data"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "name"), CASES, ids=[name for _, name in CASES])
def test_a_kind_is_named(data, name):
    with pytest.raises(UnsupportedImage) as refused:
        sniff(data)
    found, told, how = refused.value.detail.partition("; this kind is not supported.")
    assert (found, bool(told)) == (f"The content looks like {name}", True)
    assert how.strip()  # how to convert it, or what else to do


READ = (
    bytes(128) + b"DICM" + META,
    tagged(256, b"").ljust(128, b"\0") + b"DICM" + META,  # a TIFF too
    b"DICM" + META,
    META + ELEMENT,
    ELEMENT,
    b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100",
    b"\0\x08\0\x05CS\0\x0aISO_IR 100",
    b"\0\x08\0\x05\0\0\0\x0aISO_IR 100",
)
REFUSED = [(data, name) for data, name in CASES if "DICOMDIR" not in name]  # whose beginning is that of a DICOM file


@pytest.mark.parametrize("data", READ)
def test_dicom_with_its_preamble_and_without(data):
    assert sniff(data) == "DICOM"


@pytest.mark.parametrize(("data", "name"), REFUSED, ids=[name for _, name in REFUSED])
def test_any_beginning_of_a_file_is_told_something(data, name):
    for size in (1, 2, 3, 4, 7, 8, 11, 12, 16, 40, 133, len(data) - 1):
        with pytest.raises((UnsupportedImage, CorruptImage)):
            sniff(data[:size])


def test_nothing():
    with pytest.raises(EmptyUpload):
        sniff(b"")


@pytest.mark.parametrize(
    "data",
    [PNG.replace(b"\r\n", b"\n"), PNG.replace(b"\n", b"\r\n"), PNG.decode("latin-1").encode(),
     PNG.decode("utf-8", "replace").encode(), JPEG.decode("utf-8", "replace").encode(), JPEG.decode("latin-1").encode(),
     bytes(each & 127 for each in PNG), by_curl_d(PNG), by_curl_d(JPEG), by_curl_d(WITH_EXIF),
     by_curl_d(JPEG[:2] + JPEG[20:]), JPEG.translate(None, b"\r\n\0")],
    ids=["lf", "crlf", "utf-8", "replaced", "jpeg replaced", "jpeg utf-8", "seven bits", "curl -d", "jpeg curl -d",
         "exif curl -d", "bare jpeg curl -d", "jpeg without zeros"],
)  # fmt: skip
def test_a_picture_that_was_sent_as_text_is_told(data):
    with pytest.raises(CorruptImage, match="sent as text"):
        sniff(data)


def every_kind():
    found = [kind for _, _, kind in sniffing.BEGINNINGS]
    found += [kind for _, kind in (*sniffing.PATTERNS, *sniffing.IN_A_ZIP, *tiff.MAKERS, *kinds_of_text.TEXTS)]
    found += [
        *sniffing.BRANDS.values(),
        sniffing.UNKNOWN,
        sniffing.ZIP,
        sniffing.NIFTI,
        sniffing.ANALYZE,
        sniffing.MGH,
        tiff.NDPI,
    ]
    return sorted(set(found))


@pytest.mark.parametrize("kind", [each for each in every_kind() if each.convert], ids=lambda kind: kind.name)
def test_a_command_can_be_copied_into_a_shell(kind):
    command = kind.convert.partition(" (")[0]
    words = shlex.split(command)
    assert any("in" in word for word in words[1:])
    assert any("out" in word for word in words[1:])
    if words[0] == "python":
        compile(words[2], kind.name, "exec")


def test_the_command_for_an_array_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.npy").write_bytes(array())
    exec(shlex.split(sniffing.ARRAY.partition(" (")[0])[2], {})  # noqa: S102 - our own words
    with Image.open(tmp_path / "out.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(RGB))


def test_what_can_be_done_is_a_sentence():
    assert [kind for kind in every_kind() if kind.words and not kind.words.endswith(".")] == []
    assert all(isinstance(kind, Unread) and kind.name.strip() for kind in every_kind())


@pytest.fixture
def five_seconds():
    """Ends a test that takes longer, of processor time; a search of a pattern looks at signals."""

    def give_up(*_):
        pytest.fail("it takes longer with every byte")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, 5)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    "unit",
    [b"<!---->", b"<!-- a -->\n", b"<!--", b"<?xml?>", b"<?xml", b"<!DOCTYPE svg>", b"a.png ", b"[1, ", b'{"a": "',
     b"a=", b"89504e47", b"--a\r\n", b"137, 80, ", b"data:", b"http://a ", b"iVBORw0K", b" ", b"@", b"\0\0"],
    ids=repr,
)  # fmt: skip
def test_no_text_takes_long(unit, five_seconds):
    """The search holds the interpreter: all callers of the process would wait."""
    for beginning in (b"", b"<", b"--x", b"[", b"{", b"ffd8ff", b"data:", b"a"):
        with pytest.raises(UnsupportedImage):
            sniff(beginning + unit * (2**16 // len(unit)) + b"!")
