"""Real clients, and the mistakes that people make with them."""

import json
import subprocess

import aiohttp
import httpx
import pytest
import requests

from testbed.encoded_pictures import encoded, noise

PICTURE = encoded(noise((16, 16)))


@pytest.fixture
def address(service):
    return f"{service.url}/v1/models/tiny/predict"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "x.png").write_bytes(PICTURE)
    (tmp_path / "Größe.png").write_bytes(PICTURE)
    return tmp_path


def curl(folder, address, *options):
    done = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code}", *options, address],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    body, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(body)


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["-F", "image=@x.png"], 200, None),
        (["-F", "image=@Größe.png;type=image/png"], 200, None),
        (["-F", "image=@x.png;filename="], 200, None),
        (["--data-binary", "@x.png"], 200, None),
        (["-T", "x.png", "-X", "POST"], 200, None),
        (["-F", "image=x.png"], 400, "-F 'image=@x.png'"),
        (["-F", "image=<x.png"], 400, "no file name"),
        (["-F", "image=@x.png", "-F", "image=@x.png"], 400, "2 files"),
        (["-F", "file=@x.png"], 400, "has to be 'image'"),
        (["-d", "@x.png"], 422, "--data-binary"),
        (["-d", "image=@x.png"], 415, "a form field"),
        (["--data-binary", "@x.png", "-H", "Content-Type: multipart/form-data"], 400, "without a boundary"),
        (["--json", '{"image": "iVBORw0KGgo="}'], 415, "JSON with a coded picture"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_curl(folder, address, options, status, says):
    met, answer = curl(folder, address, *options)
    assert met == status, answer
    assert says is None or says in answer["detail"]


NAMES = ["x.png", "Größe.png", "名前.png", 'a";b\\.png']


@pytest.mark.parametrize("name", NAMES)
def test_the_clients_of_python_send_any_name(address, name):
    files = {"image": (name, PICTURE, "image/png")}
    assert requests.post(address, files=files, timeout=30).status_code == 200
    assert httpx.post(address, files=files, timeout=30).status_code == 200


@pytest.mark.parametrize("name", NAMES)
async def test_aiohttp_sends_any_name(address, name):
    form = aiohttp.FormData()
    form.add_field("image", PICTURE, filename=name)
    async with aiohttp.ClientSession() as session, session.post(address, data=form) as answer:
        assert answer.status == 200
