"""The pages behind a real nginx, below a path: nothing is lost, whether it takes the path away or not."""

import hashlib
import re
import ssl
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image
from playwright.sync_api import expect

from oncoserve.cli.client.picture_files import Upload
from oncoserve.cli.client.service_client import ServiceClient
from testbed.encoded_pictures import encoded, noise
from testbed.servers import FrontendServer
from tests.browser.jobs import wait_until_done
from tests.browser.nginx import ROOT, Nginx
from tests.browser.reading import settle, wait_for_answer

LIMIT = 2 * 2**20


@pytest.fixture(scope="module")
def nginx(triton, browser, unavailable, tmp_path_factory):
    """nginx, and a frontend behind it that knows its path."""
    if missing := Nginx.missing():
        unavailable("browser", f"not installed: {missing}")
    folder = tmp_path_factory.mktemp("proxied")
    settings = {"results_dir": folder / "results", "job_workers": 1, "infer_timeout_s": 240, "root_path": ROOT,
                "trusted_proxies": "127.0.0.1", "max_upload_bytes": LIMIT}  # fmt: skip
    with FrontendServer(triton.grpc_url, folder, **settings) as frontend, Nginx(frontend, folder) as server:
        yield server


class Published:
    """A server as a browser knows it."""

    def __init__(self, url):
        self.url = url


@pytest.fixture
def refused():
    """The answers of 400 and above that a page got."""
    return []


@pytest.fixture(params=[pytest.param("url", marks=pytest.mark.long), "stripping_url"])
def published(request, nginx, visitor, refused):
    """An address of nginx, and an empty page."""
    server = Published(getattr(nginx, request.param))
    page, _ = visitor.new(server, ignore_https_errors=True)
    page.on("response", lambda answer: answer.status >= 400 and refused.append((answer.status, answer.url)))
    return server.url, page


def test_every_part_of_the_page_works_below_a_path(published, samples, refused):
    url, page = published
    page.goto(f"{url}/")
    page.get_by_role("button", name="Sample 1, labelled pituitary tumour").click()
    wait_for_answer(page)
    settle(page)  # the tiles are there
    page.get_by_role("switch").check()
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Overlay PNG").click()
    assert download.value.failure() is None
    page.locator("#history summary").click()
    thumbnail = page.locator("#history-list img")
    expect(thumbnail).to_have_attribute("src", re.compile("."))
    assert thumbnail.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.get_by_role("link", name="Report to print").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Pituitary tumour")
    page.get_by_role("link", name="Open in the viewer").click()
    wait_for_answer(page)
    page.set_input_files("#file", [samples["glioma"], samples["notumor"]])
    wait_until_done(page)
    page.get_by_role("link", name="All jobs").click()
    page.locator("#jobs-rows a").first.click()
    page.locator("#image-rows a").first.click()
    wait_for_answer(page)
    for name in ("API", "Errors"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Oncoserve" if name == "API" else name)
        page.goto(f"{url}/")
    assert refused == []


def test_the_command_line_client_and_redirections_know_the_path(nginx, monkeypatch, samples):
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.certificate))
    trust = ssl.create_default_context(cafile=nginx.certificate)
    service = ServiceClient(nginx.url, None, patience_s=30)
    assert "brain_mri" in {model["name"] for model in service.models()["models"]}
    upload = Upload("a.jpg", samples["glioma"].read_bytes(), "image/jpeg")
    made = {service.create_job("brain_mri", {}, [upload], [])["id"] for _ in range(2)}
    assert made <= {job["id"] for job in service.jobs(limit=1)}  # pages of one
    service.close()
    with httpx.Client(verify=trust, follow_redirects=False) as http:
        answer = http.get(f"{nginx.url}/v1/models/")
        assert answer.headers["location"] == f"{ROOT}/v1/models"
        assert f"curl {nginx.url}/v1/jobs" in http.get(f"{nginx.url}/jobs").text
        assert answer.headers["strict-transport-security"]
        assert http.get(nginx.url).headers["location"] == f"{ROOT}/"
        assert 'href="/elsewhere/jobs"' in http.get(f"{nginx.elsewhere_url}/").text
        assert http.get(f"{nginx.redirecting_url}/jobs?x=1").headers["location"].startswith("https://")
        for hidden in ("/metrics", f"{ROOT}/metrics", f"{ROOT}{ROOT}/metrics"):
            assert http.get(f"{nginx.url}{hidden}").status_code == 404
        large = encoded(noise((1200, 1200)), "PNG")
        answer = http.post(f"{nginx.url}/v1/models/brain_mri/predict", files={"image": ("a.png", large)})
        assert len(large) > LIMIT
        assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")


def test_callers_that_offer_another_protocol_get_their_own_answers(nginx):
    """As Java's client does with each request. The picture's hash is that of what each of them has sent."""
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAAAAAMAAAAA"}

    def ask(number):
        data = encoded(Image.new("L", (9, 9), number))  # too small to be answered, so that nobody waits for a model
        answer = httpx.post(f"{nginx.upgrading_url}/v1/models/brain_mri/predict", content=data, headers=offer)
        return answer.json()["provenance"]["input_sha256"] == hashlib.sha256(data).hexdigest()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(64)))
