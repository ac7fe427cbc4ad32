import tempfile

import httpx
import pytest
from starlette.requests import Request

from frontend.routes.uploads import read_upload
from oncoserve.errors import EmptyUpload, MalformedRequest, MissingImage

DATA = bytes(range(256)) + b"\r\n--\r\n--x\r\n\r\n"
TYPE = "multipart/form-data; boundary=xyz"
HEAD = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n'
FIELD = b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


def form(data=DATA, head=HEAD, end=b"\r\n--xyz--\r\n"):
    return b"--xyz\r\n" + head + b"\r\n" + data + end


def request(body, content_type=TYPE):
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    pieces = [body[:100], body[100:]]

    async def receive():
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (TYPE, form()),
        ('multipart/form-data; boundary="xyz"', form()),
        ("multipart/form-data;boundary=xyz", form(end=b"\r\n--xyz--")),
        (TYPE, form(head=HEAD + b"Content-Type: image/png\r\n")),
        (TYPE, form(head=HEAD.replace(b"a.png", b'a\\".png'))),
        (TYPE, form(head=HEAD.replace(b"a.png", b"\xff"))),
        (TYPE, b"This is a message in several parts.\r\n\r\n" + form() + b"Epilogue"),
        (TYPE, b"\r\n" + form()),
        ("Multipart/Form-Data; charset=UTF-8; boundary=xyz", form()),
        (TYPE, form(head=HEAD.replace(b'filename="a.png"', b"filename*=UTF-8''Gr%C3%B6%C3%9Fe%22.png"))),
        (TYPE, form(head=HEAD.replace(b'"a.png"', b"\"a.png\"; filename*=UTF-8''b.png"))),
        (TYPE, form(head=HEAD.lower().replace(b'"image"', b"image"))),
    ],
)
async def test_a_form_of_one_picture(content_type, body):
    assert await read_upload(request(body, content_type)) == (DATA, [])


@pytest.mark.parametrize("body", [FIELD + form(), form(end=b"\r\n" + FIELD + b"--xyz--\r\n")])
async def test_other_fields_come_with_it(body):
    assert await read_upload(request(body)) == (DATA, [("a", "1")])


@pytest.mark.parametrize(
    ("content_type", "body", "error"),
    [
        (TYPE, form(b""), EmptyUpload),
        (TYPE, form(head=HEAD.replace(b"image", b"other")), MissingImage),
        (TYPE, form(head=HEAD.replace(b'; filename="a.png"', b"")), MissingImage),
        (TYPE, form(end=b""), MalformedRequest),
        (TYPE, form(end=b"\r\n--xyz\r\n"), MalformedRequest),
        (TYPE, b"a" * 20_000 + b"\r\n" + form(), MalformedRequest),
        (TYPE, form(b"a" * (2**20 + 1), head=HEAD.replace(b'; filename="a.png"', b"")), MalformedRequest),
        ("multipart/form-data; boundary=xyz; charset=undefined", FIELD + form(), MalformedRequest),
    ],
)
async def test_what_has_no_picture(content_type, body, error):
    with pytest.raises(error):
        await read_upload(request(body, content_type))


async def test_a_form_of_the_clients_of_python():
    made = httpx.Request("POST", "http://x", files={"image": ("a.png", DATA, "image/png")})
    assert await read_upload(request(made.read(), made.headers["content-type"])) == (DATA, [])


async def test_a_preamble_may_come_in_pieces():
    body = b"words\r\n" + form()
    pieces = [{"type": "http.request", "body": bytes([each]), "more_body": True} for each in body]
    pieces.append({"type": "http.request"})

    async def receive():
        return pieces.pop(0)

    in_pieces = Request({"type": "http", "method": "POST", "headers": [(b"content-type", TYPE.encode())]}, receive)
    assert await read_upload(in_pieces) == (DATA, [])


async def test_a_large_file_touches_no_disk(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    data = bytes(3 * 2**20)
    assert await read_upload(request(form(data))) == (data, [])
