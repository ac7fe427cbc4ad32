"""Every main state of every page holds against axe-core, in light and dark, wide and narrow."""

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.jobs import wait_until_done
from tests.browser.reading import result_id, settle, wait_for_answer


@pytest.fixture(scope="module", autouse=True)
def _installed(unavailable):
    reason = axe.install()
    if reason:
        unavailable("browser", reason)


def start(page, _):
    expect(page.locator("#empty")).to_be_visible()


def answer(page, samples):
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    settle(page)
    page.locator("#history summary").click()
    expect(page.locator("#history-list a")).to_contain_text("Meningioma")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")


def problem(page, _):
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"words"})
    expect(page.get_by_role("alert")).to_be_visible()


def report(page, samples):
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    page.goto(f"/results/{result_id(page)}")


def job(page, samples):
    words = {"name": "notes.png", "mimeType": "image/png", "buffer": b"words"}
    pictures = [{"name": path.name, "mimeType": "image/jpeg", "buffer": path.read_bytes()} for path in samples.values()]
    page.set_input_files("#file", [*pictures, words])
    page.wait_for_url("**/jobs/*")
    wait_until_done(page)


def jobs(page, samples):
    job(page, samples)
    page.goto("/jobs")
    expect(page.locator("#jobs-rows tr").first).to_be_visible()


def errors(page, _):
    page.goto("/errors")


def unknown(page, _):
    page.goto(f"/results/{'0' * 32}")


@pytest.mark.parametrize(
    ("state", "width"),
    [(start, 1200), (answer, 1200), (answer, 390), (problem, 390), (report, 1200), (job, 390), (jobs, 1200),
     (errors, 390), (unknown, 1200)],
)  # fmt: skip
def test_axe_finds_nothing(visitor, frontend, samples, state, width):
    page, seen = visitor.open(frontend, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    seen.expected += ["415", "404"]
    state(page, samples)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe.violations(page) == [], scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
