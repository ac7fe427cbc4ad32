"""What a caller can do wrong: an error with its code, and the service goes on."""

import pytest

from testbed.encoded_pictures import encoded, noise
from testbed.in_process import PNG, PREDICT, assert_problem
from testbed.picture_files.raw_png import png_header

BAD_UPLOADS = [
    ("nothing", b"", 400, "empty_upload"),
    ("text named png", b"not a picture at all", 415, "unsupported_image"),
    ("gif", encoded(noise(), "GIF"), 415, "unsupported_image"),
    ("webp", encoded(noise(), "WEBP"), 415, "unsupported_image"),
    ("tiff", encoded(noise(), "TIFF"), 415, "unsupported_image"),
    ("truncated", encoded(noise((200, 200)), "JPEG")[:4000], 422, "corrupt_image"),
    ("bomb", png_header(20_000, 20_000), 413, "image_too_large"),
    ("long", bytes(2**20 + 1), 413, "upload_too_large"),
]


@pytest.mark.parametrize(
    ("data", "status", "code"), [row[1:] for row in BAD_UPLOADS], ids=[row[0] for row in BAD_UPLOADS]
)
@pytest.mark.parametrize("way", ["multipart", "raw"])
async def test_bad_uploads(service, way, data, status, code):
    request = {"files": {"image": ("scan.png", data)}} if way == "multipart" else {"content": data}
    assert_problem(await service.http.post(PREDICT, **request), status, code)
    assert service.backend.calls == []
    assert (await service.http.post(PREDICT, content=PNG)).status_code == 200  # the service goes on


async def test_zero_bytes_are_counted_while_streaming(service):
    async def endless():
        for _ in range(40):
            yield bytes(2**16)

    problem = assert_problem(await service.http.post(PREDICT, content=endless()), 413, "upload_too_large")
    assert "the limit is 1048576" in problem.detail


@pytest.mark.parametrize(
    "request_",
    [
        {"files": {"picture": ("a.png", PNG)}},
        {"files": [("image", ("a.png", PNG)), ("image", ("b.png", PNG))]},
        {"data": {"image": "text"}, "files": {"x": ("a.png", PNG)}},
        {"content": b"--x\r\nnonsense", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": PNG, "headers": {"Content-Type": "multipart/form-data"}},
    ],
    ids=["other field", "twice", "text field", "not multipart", "no boundary"],
)
async def test_bad_multipart(service, request_):
    response = await service.http.post(PREDICT, **request_)
    assert response.status_code == 400
    assert response.json()["code"] in {"missing_image", "malformed_request"}


@pytest.mark.parametrize("query", ["?x=1", "?threshold=0.5", "?__proto__=1"])
async def test_unknown_parameters(service, query):
    problem = assert_problem(await service.http.post(PREDICT + query, content=PNG), 422, "invalid_parameter")
    assert "parameters here are: frame, window" in problem.detail
    response = await service.http.post(PREDICT, files={"image": ("a.png", PNG)}, data={"x": "1"})
    assert_problem(response, 422, "invalid_parameter")


@pytest.mark.parametrize("query", ["?opacity=2", "?opacity=-0.1", "?opacity=nan", "?opacity=x", "?base=sky", "?x=1",
                                   "?opacity=1&opacity=0"])  # fmt: skip
async def test_overlay_parameters_out_of_range(service, query):
    result = (await service.http.post(PREDICT, content=PNG)).json()
    assert_problem(await service.http.get(result["links"]["overlay"] + query), 422, "invalid_parameter")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/models/tiny/predict", "OPTIONS, POST"),
        ("/v1/results/" + "0" * 32, "DELETE, GET, HEAD, OPTIONS"),
        ("/livez", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_is_not_allowed_is_told_which_are(service, path, allowed):
    answer = await service.http.put(path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed
