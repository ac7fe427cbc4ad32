import io
import zipfile
from pathlib import Path

import pytest

from oncoserve.results.archive import archive


@pytest.mark.parametrize(
    "files",
    [{}, {"a": b""}, {"result.json": b"{}", "picture": bytes(range(256)) * 999}, {"Gewebe-\N{MICRO SIGN}m": b"x"}],
)
def test_others_read_it(files):
    with zipfile.ZipFile(io.BytesIO(archive(files))) as opened:
        assert opened.testzip() is None
        assert {each.filename: opened.read(each) for each in opened.infolist()} == files
        assert opened.namelist() == [*files]


def test_names_and_contents_are_found_where_the_directory_says(tmp_path):
    path = Path(tmp_path, "it.zip")
    path.write_bytes(archive({"a": b"1", "b": b"22"}))
    with zipfile.ZipFile(path) as opened:
        assert [(each.filename, each.header_offset, each.file_size) for each in opened.infolist()] == [
            ("a", 0, 1),
            ("b", 32, 2),
        ]


def test_a_damaged_content_is_noticed():
    content = bytearray(archive({"a": b"content"}))
    content[content.index(b"content")] ^= 1
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() == "a"
