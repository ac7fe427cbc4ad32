"""What callers get wrong about forms: the answer says what was sent, and what to send."""

import pytest

from testbed.encoded_pictures import encoded, noise
from testbed.http_callers import FOREIGN_WORDS
from testbed.in_process import PNG, PREDICT, assert_problem

JOBS = "/v1/jobs"
TYPE = {"Content-Type": "multipart/form-data; boundary=x"}


def part(disposition, data, *more):
    lines = [b"--x", b"Content-Disposition: form-data" + disposition, *more, b"", data]
    return b"\r\n".join(lines) + b"\r\n"


IMAGE = part(b'; name="image"; filename="a.png"', PNG)
TEXT = part(b'; name="a"', b"1")
END = b"--x--\r\n"
FILES = [("images", ("a.png", PNG)), ("images", ("b.png", PNG))]

TO_PREDICT = {
    "no @": ({"files": {"image": (None, "x.jpg")}}, 400, "missing_image",
             ["'image' (text, 5 characters)", "-F 'image=@x.jpg'"]),
    "no file name": ({"content": part(b'; name="image"', PNG) + END, "headers": TYPE}, 400, "missing_image",
                     ["'image' (text,", "no file name"]),
    "much text": ({"content": part(b'; name="image"', b"a" * 2**20) + END, "headers": TYPE}, 413, "upload_too_large",
                  ["the limit is"]),
    "two": ({"files": [("image", ("a.png", PNG)), ("image", ("b.png", PNG))]}, 400, "malformed_request",
            ["2 files", "'image' (a file, ", "POST /v1/jobs"]),
    "a job's field": ({"files": FILES}, 400, "malformed_request", ["'images' (a file, ", "POST /v1/jobs"]),
    "another name": ({"files": {"file": ("a.png", PNG)}}, 400, "missing_image",
                     ["'file' (a file, ", "has to be 'image'"]),
    "an odd name": ({"files": {"\x1b[31m" * 99: ("a.png", PNG)}}, 400, "missing_image", ["has to be 'image'"]),
    "text beside": ({"data": {"image": "a.png"}, "files": {"file": ("a.png", PNG)}}, 400, "missing_image",
                    ["-F 'image=@a.png'"]),
    "no file": ({"files": {"a": (None, "1")}}, 400, "missing_image", ["'a' (text, 1 character", "-F image=@scan.png"]),
    "no parts": ({"content": END, "headers": TYPE}, 400, "missing_image", ["the fields found: none"]),
    "none chosen": ({"content": part(b'; name="image"; filename=""', b"") + END, "headers": TYPE}, 400,
                    "empty_upload", ["No file was chosen"]),
    "empty file": ({"files": {"image": ("a.png", b"")}}, 400, "empty_upload", ["0 bytes"]),
    "JSON": ({"json": {"image": "iVBORw0KGgo"}}, 415, "unsupported_image",
             ["JSON with a coded picture", "-F image=@scan.png"]),
    "urlencoded": ({"data": {"image": "x.jpg"}}, 415, "unsupported_image", ["a form field", "-F image=@scan.png"]),
    "curl -d": ({"content": PNG.replace(b"\n", b"").replace(b"\r", b""),
                 "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
                422, "corrupt_image", ["sent as text", "--data-binary"]),
    "no boundary": ({"content": IMAGE + END, "headers": {"Content-Type": "multipart/form-data"}}, 400,
                    "malformed_request", ["without a boundary", "Let your client set that header"]),
    "another boundary": ({"content": IMAGE + END, "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
                         400, "malformed_request", ["begins with '--x'", "'--y'"]),
    "no form": ({"content": PNG, "headers": TYPE}, 400, "malformed_request", ["PNG", "'--x'"]),
    "nothing": ({"content": b"", "headers": TYPE}, 400, "malformed_request", ["0 bytes", "'--x'"]),
    "cut off": ({"content": IMAGE[:-40], "headers": TYPE}, 400, "malformed_request",
                [f"ends after {len(IMAGE) - 40} bytes", "'--x--'"]),
    "no end": ({"content": IMAGE, "headers": TYPE}, 400, "malformed_request", ["last boundary"]),
    "no type": ({"content": IMAGE + END}, 415, "unsupported_image", ["a multipart form whose Content-Type"]),
    "line feeds": ({"content": (IMAGE + END).replace(b"\r\n", b"\n"), "headers": TYPE}, 400, "malformed_request",
                   ["CR and LF"]),
    "many texts": ({"content": TEXT * 33 + IMAGE + END, "headers": TYPE}, 400, "malformed_request",
                   ["more than 32 fields"]),
    "many files": ({"content": IMAGE * 33 + END, "headers": TYPE}, 400, "malformed_request", ["more than 32 files"]),
    "given twice": ({"params": {"a": "1"}, "files": {"image": ("a.png", PNG)}, "data": {"a": "1"}}, 422,
                    "invalid_parameter", ["'a'", "address and form"]),
    "a TIFF": ({"files": {"image": ("a.png", encoded(noise(), "TIFF"))}}, 415, "unsupported_image",
               ["a TIFF; this kind is not supported", 'magick "in.tif[0]" out.png']),
}  # fmt: skip
TO_JOBS = {
    "model in the address": ({"params": {"model": "tiny"}, "files": FILES}, 422, "invalid_parameter",
                             ["'model'", "in the address", "form field"]),
    "parameter in the address": ({"params": {"um_per_px": "1"}, "data": {"model": "tiny"}, "files": FILES}, 422,
                                 "invalid_parameter", ["'um_per_px'", "in the address"]),
    "JSON": ({"json": {"model": "tiny"}}, 422, "invalid_parameter", ["application/json", "-F images=@a.png"]),
    "a picture": ({"content": PNG, "headers": {"Content-Type": "image/png"}}, 422, "invalid_parameter",
                  ["image/png", "-F model="]),
    "curl --data-binary": ({"content": PNG, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 422,
                           "invalid_parameter", ["urlencoded", "-F images=@a.png"]),
    "predict's field": ({"data": {"model": "tiny"}, "files": {"image": ("a.png", PNG)}}, 422, "invalid_parameter",
                        ["'image' is a file", "-F images=@scan.png"]),
    "no @": ({"files": {"model": (None, "tiny"), "images": (None, "a.png")}}, 400, "missing_images",
             ["-F 'images=@a.png'"]),
    "no model": ({"files": FILES}, 422, "invalid_parameter", ["'model'", "'images' (a file, ", "-F model="]),
    "another boundary": ({"content": IMAGE + END, "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
                         400, "malformed_request", ["begins with '--x'"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "request_", "status", "code", "says"),
    [(path, *case) for path, cases in ((PREDICT, TO_PREDICT), (JOBS, TO_JOBS)) for case in cases.values()],
    ids=[*TO_PREDICT, *(f"job: {name}" for name in TO_JOBS)],
)
async def test_a_mistake_is_told(service, path, request_, status, code, says):
    problem = assert_problem(await service.http.post(path, **request_), status, code)
    assert [each for each in says if each not in problem.detail] == []
    assert "\x1b" not in problem.detail
    assert len(problem.detail) < 700
    assert FOREIGN_WORDS.search(problem.detail) is None


async def test_the_page_and_a_job_say_the_same_about_a_kind(service):
    picture = ("a.png", encoded(noise(), "TIFF"))
    told = (await service.http.post(PREDICT, files={"image": picture})).json()["detail"]
    page = await service.http.post("/ask", data={"model": "tiny"}, files={"image": picture})
    assert told.partition(" This")[0] in page.text
    job = (await service.http.post(JOBS, data={"model": "tiny"}, files={"images": picture})).json()
    assert job["images"][0]["error"]["detail"] == told
    assert "a TIFF" in told


async def test_the_page_tells_two_files_and_a_missing_one(service):
    two = [("image", ("a.png", PNG)), ("image", ("b.png", PNG))]
    assert "2 files" in (await service.http.post("/ask", data={"model": "tiny"}, files=two)).text
    none = part(b'; name="model"', b"tiny") + part(b'; name="image"; filename=""', b"") + END
    assert "No file was chosen" in (await service.http.post("/ask", content=none, headers=TYPE)).text


@pytest.mark.parametrize("body", [b"", b"{", b"bytes: 1", b'{"bytes": }', b"\xff"])
async def test_a_body_that_is_no_json_is_told(service, body):
    response = await service.http.post("/v1/uploads", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert FOREIGN_WORDS.search(response.text) is None
    assert "decode" not in response.json()["detail"]
