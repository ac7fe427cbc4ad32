import httpx
import pytest
from starlette.requests import Request

from frontend.http.forms import SMALL_BYTES, lone_picture
from frontend.routes.uploads import read_upload
from oncoserve.errors import EmptyUpload, MissingImage

DATA = bytes(range(256)) + b"\r\n--\r\n--x\r\n\r\n"
TYPE = "multipart/form-data; boundary=xyz"
HEAD = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n'


def form(data=DATA, head=HEAD, end=b"\r\n--xyz--\r\n"):
    return b"--xyz\r\n" + head + b"\r\n" + data + end


def request(body, content_type=TYPE, length=None):
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(length or len(body)).encode())]
    pieces = [body[:100], body[100:]]

    async def receive():
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


ALONE = [
    (TYPE, form()),
    ('multipart/form-data; boundary="xyz"', form()),
    ("multipart/form-data;boundary=xyz", form(end=b"\r\n--xyz--")),
    (TYPE, form(head=HEAD + b"Content-Type: image/png\r\n")),
]
# Each of these is read by the parser, for better or worse.
OTHERS = [
    (TYPE, form(end=b'\r\n--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xyz--\r\n')),
    (TYPE, b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' + form()),
    (TYPE, form() + b"more"),
    (TYPE, b"preamble" + form()),
    (TYPE, form(end=b"")),
    (TYPE, form(end=b"\r\n--xyz")),
    (TYPE, form(DATA + b"\r\n--xyzzy")),
    (TYPE, form(head=HEAD + b"X: y\r\n")),
    (TYPE, form(head=HEAD.replace(b"image", b"other"))),
    (TYPE, form(head=HEAD.replace(b"a.png", b'a\\".png'))),
    (TYPE, form(head=HEAD.replace(b"a.png", b"\xff"))),
    (TYPE, form(head=HEAD.replace(b'; filename="a.png"', b""))),
    (TYPE, form(head=HEAD.replace(b"\r\n", b"\n"))),
    (TYPE, b""),
    ("multipart/form-data", form()),
    ('multipart/form-data; boundary="xyz', form()),
    ("multipart/form-data; boundary=xyz; charset=utf-16", form()),
    ("multipart/form-data; charset=utf-16; boundary=xyz", form()),
    ("multipart/form-data; boundary=other", form()),
]


@pytest.mark.parametrize(("content_type", "body"), ALONE)
async def test_a_lone_picture_is_what_the_parser_finds(content_type, body):
    assert lone_picture(content_type, body) == DATA
    assert await read_upload(request(body, content_type)) == (DATA, [])
    assert await read_upload(request(body, content_type, SMALL_BYTES + 1)) == (DATA, [])  # by the parser


# Starlette leaves the spooled file of a form that ends too early to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("content_type", "body"), OTHERS)
async def test_everything_else_is_left_to_the_parser(content_type, body):
    assert lone_picture(content_type, body) is None
    answers = []
    for length in (len(body), SMALL_BYTES + 1):
        try:
            answers.append(await read_upload(request(body, content_type, length)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it has to be the same
            answers.append((type(error), str(error)))
    assert answers[0] == answers[1]


async def test_an_empty_picture_and_one_of_another_name():
    with pytest.raises(EmptyUpload):
        await read_upload(request(form(b"")))
    with pytest.raises(MissingImage, match="other"):
        await read_upload(request(form(head=HEAD.replace(b"image", b"other"))))


def test_the_clients_of_python_write_it_so():
    made = httpx.Request("POST", "http://x", files={"image": ("a.png", DATA, "image/png")})
    assert lone_picture(made.headers["content-type"], made.read()) == DATA
