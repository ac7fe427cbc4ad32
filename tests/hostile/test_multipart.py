"""Forms that no browser would send: each is a problem of 4xx, or the picture's result where nothing is wrong."""

import pytest

from testbed.encoded_pictures import encoded, noise
from tests.hostile.wire import PREDICT, talk

pytestmark = pytest.mark.usefixtures("still_works")

PICTURE = encoded(noise((16, 16)))


def part(disposition, data, *more):
    lines = [b"--x", b"Content-Disposition: form-data" + disposition, *more, b"", data]
    return b"\r\n".join(lines) + b"\r\n"


IMAGE = part(b'; name="image"; filename="a.png"', PICTURE)
TEXT = part(b'; name="a"', b"1")
END = b"--x--\r\n"
NESTED = part(b'; name="image"; filename="a"', IMAGE.replace(b"--x", b"--y") + b"--y--",
              b"Content-Type: multipart/mixed; boundary=y")  # fmt: skip


def post(service, body, content_type=b"multipart/form-data; boundary=x"):
    head = b"Content-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (content_type, len(body))
    return talk(service.port, PREDICT + head + body)


@pytest.mark.parametrize(
    ("body", "status", "codes"),
    [
        (b"", 400, {"missing_image", "malformed_request"}),
        (b"\0" * 1000, 400, {"malformed_request"}),
        (END, 400, {"missing_image"}),
        (b"--x", 400, {"missing_image", "malformed_request"}),
        (IMAGE, 400, {"malformed_request", "missing_image"}),
        (IMAGE[:-40], 400, {"malformed_request", "missing_image"}),
        (TEXT * 10_000 + END, 400, {"malformed_request"}),
        (TEXT * 30 + IMAGE + END, 422, {"invalid_parameter"}),
        (IMAGE * 2 + END, 400, {"malformed_request"}),
        (NESTED + END, 415, {"unsupported_image"}),
        (part(b'; name="image"', PICTURE) + END, 400, {"missing_image"}),
        (part(b"", PICTURE) + END, 400, {"malformed_request"}),
        (part(b'; name=""; filename="a"', PICTURE) + END, 400, {"missing_image"}),
        (part(b'; name="image"; filename="a"', b"") + END, 400, {"empty_upload"}),
        (part(b'; name="\xff\xfe\0"; filename="a"', PICTURE) + END, 400, {"missing_image"}),
        (part(b'; name="' + b"a" * 3000 + b'"; filename="a"', PICTURE) + END, 400, {"missing_image"}),
        (part(b'; name="image"; filename="a"', PICTURE, b"X: " + b"a" * 100_000) + END, 400, {"malformed_request"}),
        (part(b'; name="image"; filename="a"', PICTURE, *[b"X: a"] * 10_000) + END, 400, {"malformed_request"}),
        (part(b'; name="image"; filename="a"', PICTURE, b"\0\xff: a") + END, 400, {"malformed_request"}),
        (part(b'; name="a"', b"a" * 500_000) + IMAGE + END, 422, {"invalid_parameter"}),
        (part(b'; name="a"', b"\xff\xfe") * 2 + IMAGE + END, 422, {"invalid_parameter"}),
    ],
    ids=lambda value: repr(value[30:70]) if isinstance(value, bytes) else "",
)
def test_forms(service, body, status, codes):
    answer = post(service, body)
    assert answer.status == status, answer.body
    assert answer.code in codes


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/form-data",
        b"multipart/form-data;",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b"multipart/form-data; boundary=y",
        b"multipart/form-data; boundary=" + b"x" * 10_000,
        b"multipart/form-data; boundary=\xff\xfe",
        b"multipart/form-data; boundary=x\t\x0b",
        b"multipart/form-data; charset=nonsense; boundary=y",
        b"multipart/form-data; charset=base64; boundary=x",
        b"multipart/form-data; charset=utf-16; boundary=x",
        b"multipart/form-data; charset=idna; boundary=x",
        b"multipart/form-data; charset=punycode; boundary=x",
        b"multipart/form-data; charset=undefined; boundary=x",
        b"multipart/form-data; charset=\0; boundary=x",
        b"multipart/form-datax; boundary=x",
        b"multipart/mixed; boundary=x",
        b"application/x-www-form-urlencoded",
        b"message/rfc822",
    ],
)
def test_content_types(service, content_type):
    answer = post(service, IMAGE + END, content_type)
    assert answer.status in {200, 400, 415}
    assert answer.status == 200 or answer.code in {"malformed_request", "missing_image", "unsupported_image"}


@pytest.mark.parametrize(
    "name",
    [b"../../../etc/passwd", b"..\\..\\a.png", b"/etc/passwd", b"a\0.png", b"\x01\x02", b"\xff\xfe", b"a" * 3000,
     b"CON", b"a.png\\", b"%2e%2e%2f", b"", b"\xe2\x80\xae" + b"gnp.exe"],
)  # fmt: skip
def test_a_file_name_means_nothing(service, name):
    answer = post(service, part(b'; name="image"; filename="' + name + b'"', PICTURE) + END)
    assert answer.status == 200 or answer.code in {"malformed_request", "missing_image"}
    assert name not in answer.body or not name
