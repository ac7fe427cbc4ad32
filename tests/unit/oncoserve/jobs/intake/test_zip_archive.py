"""What is in an archive, and which archives are refused as a whole."""

import io
import struct
import zipfile
import zlib

import pytest

from oncoserve.errors import CorruptImage, RequestError, TooManyImages, UnusableArchive, UploadTooLarge
from oncoserve.jobs.intake.submission import JobLimits
from oncoserve.jobs.intake.zip_archive import Archive
from testbed.encoded_pictures import encoded, noise
from testbed.picture_files.zip_files import overlapping, with_entries_changed, with_many_entries, zipped

LIMITS = JobLimits(3600, 10, 10**6, 2**16)
PNG = encoded(noise((16, 16)))


def unpacked(data, limits=LIMITS):
    archive = Archive(data, limits)
    return [(each.filename, archive.unpacked(each)) for each in archive.members]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_in_folders_come_in_the_archives_order(method):
    files = [("b/2.png", PNG), ("a/1.png", encoded(noise(seed=2))), ("b/deep/3", PNG + b" ")]
    assert unpacked(zipped(files, method)) == files


def test_what_systems_put_beside_the_pictures_is_left_out():
    beside = ["__MACOSX/._a.png", "a/.DS_Store", ".hidden/a.png", "DICOMDIR", "x/dicomdir", "Thumbs.db", "folder/"]
    files = [(name, PNG) for name in beside]
    assert [name for name, _ in unpacked(zipped([*files, ("a.png", PNG)]))] == ["a.png"]


def test_texts_and_programs_are_left_out_unless_they_are_named_as_pictures():
    files = [("README.TXT", b"How to view these pictures\r\n" * 99), ("viewer.exe", b"MZ" + bytes(99)), ("a.png", PNG)]
    assert unpacked(zipped(files)) == [("README.TXT", None), ("viewer.exe", None), ("a.png", PNG)]
    archive = Archive(zipped([("scan.png", b"<html>please log in</html>")]), LIMITS)
    with pytest.raises(RequestError, match="HTML"):
        archive.unpacked(archive.members[0])


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        (zipped([("a.png", PNG)]), "unsupported_image"),
        (b"II*\0" + bytes(99), "unsupported_image"),
        (b"", "empty_upload"),
    ],
    ids=["an archive", "a TIFF", "nothing"],
)
def test_what_is_no_picture_fails_alone(inner, code):
    archive = Archive(zipped([("x.bin", inner), ("a.png", PNG)]), LIMITS)
    with pytest.raises(RequestError) as refused:
        archive.unpacked(archive.members[0])
    assert refused.value.code == code
    assert archive.unpacked(archive.members[1]) == PNG


def test_a_file_that_is_too_large_fails_alone_and_is_not_unpacked():
    archive = Archive(zipped([("large.png", PNG + bytes(2**16)), ("a.png", PNG)]), LIMITS)
    with pytest.raises(UploadTooLarge, match=rf"file in the archive has {len(PNG) + 2**16} bytes; the limit is 65536"):
        archive.unpacked(archive.members[0])
    assert archive.largest_bytes == 2**16
    assert archive.unpacked(archive.members[1]) == PNG


LONG = PNG + bytes(30_000)
CRC, PACKED, SIZE, FLAGS, METHOD = 16, 20, 24, 8, 10


@pytest.mark.parametrize(
    "data",
    [
        with_entries_changed(zipped([("a.png", LONG)]), CRC, "<I", 1),
        with_entries_changed(zipped([("a.png", LONG)]), SIZE, "<I", 5000),
        with_entries_changed(zipped([("a.png", LONG)]), PACKED, "<I", 40),
        zipped([("a.png", LONG)]).replace(b"PK\3\4", b"PK\3\5"),
        zipped([("a.png", LONG)]).replace(zlib.compress(LONG)[2:40], bytes(38)),
    ],
    ids=["checksum", "states less", "cut", "no file there", "damaged"],
)
def test_a_file_that_is_not_what_the_directory_says_fails_alone(data):
    archive = Archive(data, LIMITS)
    with pytest.raises(CorruptImage):
        archive.unpacked(archive.members[0])


def test_it_never_gives_more_than_it_states():
    """A directory that states a kilobyte of what unpacks to 50 MB."""
    bomb = with_entries_changed(zipped([("a.png", PNG + bytes(50 * 10**6))]), SIZE, "<I", 1000)
    archive = Archive(bomb, LIMITS)
    assert archive.stated_bytes == 1000
    with pytest.raises(CorruptImage):
        archive.unpacked(archive.members[0])


def encrypted():
    return with_entries_changed(zipped([("a.png", PNG), ("b.png", PNG)]), FLAGS, "<H", 1)


BROKEN = zipped([("a.png", PNG)])
REFUSED = {
    "encrypted": (encrypted(), "is encrypted: 2 of its 2 files need a password"),
    "cut off": (BROKEN[:-30], "is cut off or damaged"),
    "nothing but a beginning": (BROKEN[:40], "is cut off or damaged"),
    "empty": (zipped([]), "has no pictures"),
    "hidden files alone": (zipped([(".DS_Store", b"x"), ("__MACOSX/a.png", PNG)]), "has no pictures"),
    "bzip2": (zipped([("a.png", PNG)], zipfile.ZIP_BZIP2), "is packed by method 12"),
    "an unknown method": (with_entries_changed(BROKEN, METHOD, "<H", 97), "is packed by method 97"),
    "above": (zipped([("../../etc/a.png", PNG)]), "has 1 files whose paths lead out of it"),
    "above, in the middle": (zipped([("a/../../a.png", PNG)]), "has 1 files whose paths lead out of it"),
    "above, in Windows": (zipped([("..\\a.png", PNG)]), "has 1 files whose paths lead out of it"),
    "absolute": (zipped([("/etc/a.png", PNG), ("b.png", PNG)]), "has 1 files whose paths lead out of it"),
    "a drive": (zipped([("C:\\a.png", PNG)]), "has 1 files whose paths lead out of it"),
    "one path twice": (zipped([("a.png", PNG), ("a.png", LONG)]), "has 1 files of the same path as another"),
    "overlapping": (overlapping(PNG, 9), "has files that lie over each other"),
    "a name that is no text": (
        with_entries_changed(BROKEN, FLAGS, "<H", 0x800).replace(b"a.png", b"\xff.png"), "is cut off or damaged"
    ),
    "a directory that lies beyond the end": (
        BROKEN[:-10] + struct.pack("<LLH", 2**31, 2**31, 0), "is cut off or damaged"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_an_archive_that_is_refused_says_why(name):
    data, says = REFUSED[name]
    with pytest.raises(UnusableArchive, match="nothing of the job was kept") as refused:
        Archive(data, LIMITS)
    assert says in refused.value.detail
    assert "a.png" not in refused.value.detail


def test_too_many_files_are_counted_before_they_are_read():
    with pytest.raises(TooManyImages, match="at least 11 images; it may have 10"):
        Archive(zipped([(f"{number}.png", PNG) for number in range(11)]), LIMITS)


def test_a_directory_of_millions_is_not_read():
    with pytest.raises(UnusableArchive, match=r"has a directory of 47000000 bytes, and it may have \d+"):
        Archive(with_many_entries(10**6), LIMITS)


def test_zip64_is_read():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("a.png", "w", force_zip64=True) as file:
        file.write(PNG)
    assert unpacked(buffer.getvalue()) == [("a.png", PNG)]
