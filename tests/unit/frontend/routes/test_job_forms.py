import pytest

from testbed.fakes import FakeBackend
from testbed.in_process import Service


@pytest.mark.parametrize(("given", "name"), [("", "image"), ("/scans/one.png", "one.png"), ("/", "image")])
async def test_an_upload_may_carry_its_file_name(tmp_path, given, name):
    async with Service(tmp_path, FakeBackend()) as service:
        form = {"model": (None, "tiny"), "uploads": (None, "0" * 32 + given)}
        job = (await service.http.post("/v1/jobs", files=form)).json()
    (image,) = job["images"]
    assert (image["name"], image["error"]["code"]) == (name, "upload_not_found")
