"""A browser on the real frontend and the real Triton. Every test also watches what the page does on the side."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, expect, sync_playwright

from oncoserve.keys import new_key
from testbed import chromium
from testbed.servers import PROJECT, FrontendServer
from tests.browser import fonts
from tests.browser.jobs import job_that_ended
from tests.browser.reading import PATIENCE_MS

SIZE = {"width": 1280, "height": 720}
LOOKS = {"viewport", "color_scheme", "reduced_motion"}  # what a page can change that was already used

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")  # not "session": Playwright's loop must be gone before other packages' async tests
def browser(unavailable, tmp_path_factory):
    """Chromium, one for all tests, with the same fonts on every machine."""
    path = chromium.find()
    if path is None:
        unavailable("browser", "chromium is not installed")
    with sync_playwright() as playwright:
        started = chromium.launch(playwright.chromium, path, fonts.only_dejavu(tmp_path_factory.mktemp("fonts")))
        yield started
        started.close()


@pytest.fixture(scope="package")
def frontend(triton, browser, tmp_path_factory):
    """The frontend with the project's models."""
    folder = tmp_path_factory.mktemp("frontend")
    settings = {"results_dir": folder / "results", "job_workers": 1, "infer_timeout_s": 240}  # for a busy machine
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


@pytest.fixture(scope="package")
def job_address(frontend, samples):
    """Path of the page of a job that has ended: a picture of each class, and a file that is none."""
    return job_that_ended(frontend, [*samples.values(), ("notes.png", b"words")])


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

    def hear_error(self, error: Error) -> None:
        self.console.append(str(error))

    def count(self, request: Request) -> None:
        self.requests.append(request)

    def watch(self, page: Page) -> None:
        for event, listener in self._listeners():
            page.on(event, listener)

    def leave(self, page: Page) -> None:
        for event, listener in self._listeners():
            page.remove_listener(event, listener)

    def _listeners(self):
        return ("console", self.hear), ("pageerror", self.hear_error), ("request", self.count)

    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    def unexpected(self) -> list[str]:
        return [line for line in self.console if not any(part in line for part in self.expected)]


class Pages:
    """Pages of one browser. Each has a profile of its own, and goes from test to test.

    What a test kept, set or routed is gone before the next. The files with a version in their address, which the
    browser keeps, are not: to fetch and read them in a new profile takes longer than most tests.
    """

    def __init__(self, browser: Browser):
        self._browser = browser
        self._free = {}

    def take(self, server: FrontendServer, looks: dict[str, object]) -> Page:
        """A page of the server, empty."""
        free = self._free.setdefault(server.url, [])
        page = free.pop() if free else self.new(server)
        page.set_viewport_size(looks.get("viewport", SIZE))
        page.emulate_media(
            color_scheme=looks.get("color_scheme", "light"),
            reduced_motion=looks.get("reduced_motion", "no-preference"),
            media="null",
        )
        return page

    def new(self, server: FrontendServer, **context: object) -> Page:
        """The same in a new profile, which may have any options of a context."""
        page = self._browser.new_context(**{"base_url": server.url, "viewport": SIZE} | context).new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    def give_back(self, page: Page, server: FrontendServer) -> None:
        """Make it as it was when it was taken."""
        page.context.set_offline(offline=False)
        page.unroute_all()
        page.goto("/livez")  # nothing of the page runs on
        page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        self._free[server.url].append(page)


class Visitor:
    """Opens pages, and at the end holds them to having been quiet: no console errors, no foreign addresses."""

    def __init__(self, pages: Pages):
        self._pages = pages
        self._opened = []

    def open(self, server: FrontendServer, path: str = "/", **context: object) -> tuple[Page, Seen]:
        page, seen = self.new(server, **context)
        page.goto(path)
        return page, seen

    def new(self, server: FrontendServer, *, fresh: bool = False, **context: object) -> tuple[Page, Seen]:
        """An empty page that is watched from its first address on; with `fresh`, of a browser without any files."""
        used = not fresh and context.keys() <= LOOKS
        page = self._pages.take(server, context) if used else self._pages.new(server, **context)
        seen = Seen()
        seen.watch(page)
        self._opened.append((page, seen, server, used))
        return page, seen

    def close(self) -> None:
        for page, seen, server, used in self._opened:
            if used:
                self._pages.give_back(page, server)
                seen.leave(page)
            else:
                page.context.close()

    def check(self) -> None:
        for _, seen, server, _ in self._opened:
            assert seen.unexpected() == []
            foreign = [
                request.url for request in seen.requests if not request.url.startswith((f"{server.url}/", "blob:"))
            ]
            assert foreign == []


@pytest.fixture(scope="package")
def pages(browser):
    """See `Pages`."""
    return Pages(browser)


@pytest.fixture
def visitor(pages):
    """See `Visitor`."""
    made = Visitor(pages)
    yield made
    made.close()
    made.check()


@pytest.fixture
def visit(visitor, frontend):
    """The page on the project's models, and what was seen: `page, seen = visit`."""
    return visitor.open(frontend)
