"""A browser on the real frontend and the real Triton. Every test also watches what the page does on the side."""

import http.server
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from oncoserve.keys import new_key
from testbed import chromium
from testbed.servers import PROJECT, FrontendServer
from tests.browser.reading import PATIENCE_MS, settle, wait_for_objects
from tests.browser.tissue import HE, UM_PER_PX

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")  # not "session": Playwright's loop must be gone before other packages' async tests
def browser(unavailable):
    """Chromium; one process for all tests, a fresh context (profile) for each."""
    path = chromium.find()
    if path is None:
        unavailable("browser", "chromium is not installed")
    with sync_playwright() as playwright:
        started = chromium.launch(playwright.chromium, path)
        yield started
        started.close()


@pytest.fixture(scope="package")
def viewer():
    """The origin of a page that is not the service's own and may ask it; empty, as its address is all that matters."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://viewer.localhost:{server.server_port}"
        server.shutdown()
        serving.join()


class EmptyPage(http.server.BaseHTTPRequestHandler):
    """Gives every address an empty page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_):
        """Nobody reads it."""


@pytest.fixture(scope="package")
def frontend(triton, browser, viewer, tmp_path_factory):
    """The frontend with the project's models, for a viewer too."""
    folder = tmp_path_factory.mktemp("frontend")
    settings = {"results_dir": folder / "results", "job_workers": 1, "infer_timeout_s": 240}  # for a busy machine
    settings["cors_origins"] = viewer
    with FrontendServer(triton.grpc_url, folder, **settings) as server:
        yield server


@pytest.fixture(scope="package")
def keys(tmp_path_factory):
    """The key file, and a secret that it knows."""
    path = tmp_path_factory.mktemp("keys") / "keys"
    secret, key = new_key("ward")
    path.write_text(f"{key}\n")
    return path, secret


@pytest.fixture(scope="package")
def locked(triton, browser, keys, tmp_path_factory):
    """A frontend that wants a key."""
    folder = tmp_path_factory.mktemp("locked")
    with FrontendServer(triton.grpc_url, folder, results_dir=folder / "results", api_keys_file=keys[0]) as server:
        yield server


@pytest.fixture(scope="package")
def samples() -> dict[str, Path]:
    """One labelled MRI picture per class."""
    found = {path.parent.name: path for path in sorted((PROJECT / "build/samples/brain_mri").glob("*/*.jpg"))}
    assert found, "no samples; run `make models`"
    return found


@dataclass
class Seen:
    """What a page did.

    Attributes:
        console: errors and warnings in the console, uncaught errors, violations of the policy.
        requests: all requests.
        expected: parts of console lines that the test provokes.
    """

    console: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def hear(self, line: ConsoleMessage) -> None:
        if line.type in {"error", "warning"}:
            self.console.append(line.text)

    def count(self, request: Request) -> None:
        self.requests.append(request)

    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    def asked(self) -> list[str]:
        """The models that were sent a picture, in order; the page asks those that answer the same question, too.

        Whatever else was posted is there by its address.
        """
        asked = [re.search(r"/v1/models/(\w+)/predict$", request.url) for request in self.posts()]
        return [match[1] if match else post.url for match, post in zip(asked, self.posts(), strict=True)]

    def unexpected(self) -> list[str]:
        return [line for line in self.console if not any(part in line for part in self.expected)]


class Visitor:
    """Opens pages, and at the end holds them to having been quiet: no console errors, no foreign addresses."""

    def __init__(self, browser: Browser):
        self._browser = browser
        self._opened = []

    def open(self, server: FrontendServer, path: str = "/", **context: object) -> tuple[Page, Seen]:
        page, seen = self.new(server, **context)
        page.goto(path)
        return page, seen

    def new(self, server: FrontendServer, **context: object) -> tuple[Page, Seen]:
        """An empty page that is watched from its first address on."""
        page = self._browser.new_context(base_url=server.url, **context).new_page()
        page.set_default_timeout(PATIENCE_MS)
        seen = Seen()
        page.on("console", seen.hear)
        page.on("pageerror", lambda error: seen.console.append(str(error)))
        page.on("request", seen.count)
        self._opened.append((page, seen, server))
        return page, seen

    def close(self) -> None:
        for page, _, _ in self._opened:
            page.context.close()

    def check(self) -> None:
        for _, seen, server in self._opened:
            assert seen.unexpected() == []
            foreign = [
                request.url for request in seen.requests if not request.url.startswith((f"{server.url}/", "blob:"))
            ]
            assert foreign == []


@pytest.fixture
def visitor(browser):
    """See `Visitor`."""
    made = Visitor(browser)
    yield made
    made.close()
    made.check()


@pytest.fixture
def visit(visitor, frontend):
    """The page on the project's models, and what was seen: `page, seen = visit`."""
    return visitor.open(frontend)


@pytest.fixture(scope="package")
def result(frontend):
    """The id of a result of the H&E sample in which all three classes are seen."""
    address = f"{frontend.url}/v1/models/he_tissue/predict"
    answer = httpx.post(address, files={"image": HE.read_bytes()}, data={"um_per_px": UM_PER_PX}, timeout=60)
    return answer.json()["id"]


@pytest.fixture
def asked(visitor, frontend, result):
    """The page on that result, nothing excluded, its objects there, and movements done at once."""
    for threshold in (0.5, 0.8):
        address = f"{frontend.url}/v1/results/{result}/corrections"
        httpx.put(address, params={"threshold": threshold}, json={"excluded": []}).raise_for_status()
    page, seen = visitor.open(frontend, f"/#result={result}", reduced_motion="reduce")
    wait_for_objects(page)
    expect(page.locator("#objects")).to_be_visible()
    settle(page)
    return page, seen
