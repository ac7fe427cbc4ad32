"""The walker over the parts of PNG and JPEG files, on files of real encoders and on broken ones."""

import struct
from itertools import islice, pairwise

import pytest

from oncoserve.pictures.png_jpeg.parts import EOI, SOS, STRAY, jpeg_segments, png_chunks
from testbed.encoded_pictures import encoded, noise

PNG = encoded(noise((64, 48)), dpi=(72, 72))
JPEG = encoded(noise((64, 48)), "JPEG", progressive=True, comment=b"words")
COM = 0xFE


def test_the_chunks_of_a_png_cover_it_without_a_gap():
    chunks = list(png_chunks(PNG))
    assert [chunk.kind for chunk in chunks][:2] == [b"IHDR", b"pHYs"]
    assert [chunk.start for chunk in chunks] == [8, *(chunk.end for chunk in chunks[:-1])]
    assert (chunks[-1].kind, chunks[-1].end) == (b"IEND", len(PNG))
    assert all(chunk.end - chunk.start == chunk.size + 12 for chunk in chunks)


def test_the_segments_of_a_jpeg_cover_it_but_for_the_compressed_data_of_scans():
    segments = list(jpeg_segments(JPEG))
    assert (segments[0].start, segments[-1].marker, segments[-1].end) == (2, EOI, len(JPEG))
    for segment, following in pairwise(segments):
        assert (following.start > segment.end) is (segment.marker == SOS)
    scans = [segment for segment in segments if segment.marker == SOS]
    assert len(scans) == JPEG.count(b"\xff\xda") > 1
    (comment,) = [segment for segment in segments if segment.marker == COM]
    assert JPEG[comment.start + 4 : comment.end] == b"words"


def test_nothing_is_looked_at_before_it_is_asked_for():
    first = next(jpeg_segments(JPEG[:20]))
    assert first.start == 2
    assert next(png_chunks(PNG[:20])).kind == b"IHDR"


@pytest.mark.parametrize("data", [PNG[:50], JPEG[:50], b"\xff\xd8", b"\xff\xd8\xff"])
def test_a_file_that_ends_too_early_says_so(data):
    with pytest.raises((struct.error, IndexError)):
        list(png_chunks(data) if data.startswith(b"\x89") else jpeg_segments(data))


def test_what_is_no_marker_is_a_stray_byte_and_unknown_segments_can_be_looked_into():
    inside = b"\xff\xfe\x00\x06\xff\xe0ab"
    data = JPEG[:2] + b"\x00\xff" + inside + JPEG[2:]
    assert [segment.marker for segment in jpeg_segments(data)][:4] == [STRAY, STRAY, COM, 0xE0]
    looked_into = [segment.marker for segment in islice(jpeg_segments(data, {0xE0}), 6)]
    assert looked_into == [STRAY, STRAY, COM, STRAY, STRAY, 0xE0]
