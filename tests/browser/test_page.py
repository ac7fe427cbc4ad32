"""The page as such: what it says, what it weighs, and that it can be used by everyone."""

import json

import pytest
from playwright.sync_api import expect

from oncoserve import NOTICE
from testbed.servers import PROJECT
from tests.browser.reading import settle, wait_for_answer

CARD = json.loads((PROJECT / "model_repository/brain_mri/card.json").read_text())
LIMIT_BYTES = 300_000  # transferred, without samples


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_the_model_is_for_and_how_good_it_is_stands_on_the_page(visit, samples, when):
    page, _ = visit
    if when == "after":
        page.set_input_files("#file", samples["glioma"])
        wait_for_answer(page)
    about = page.get_by_role("article", name=f"About the model: {CARD['title']}")
    figures = [part for each in CARD["performance"] for part in (str(each["value"]), each["data"], each["caveat"])]
    for text in [CARD["intended_use"], *CARD["not_intended_for"], *CARD["limitations"], *figures]:
        expect(about.get_by_text(text, exact=False).first).to_be_visible()


@pytest.mark.parametrize("width", [1200, 390])
def test_research_use_only_stays_in_sight(visit, samples, width):
    page, _ = visit
    page.set_viewport_size({"width": width, "height": 700})
    page.set_input_files("#file", samples["glioma"])
    wait_for_answer(page)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    notice = page.locator("header").get_by_text(NOTICE)
    expect(notice).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_nothing_is_wider_than_the_screen(visit, samples, width):
    page, _ = visit
    page.set_viewport_size({"width": width, "height": 800})
    page.set_input_files("#file", samples["glioma"])
    wait_for_answer(page)
    page.get_by_role("switch").check()
    settle(page)
    for summary in page.locator("summary:visible").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_page_is_small(visit):
    page, seen = visit
    page.wait_for_load_state("networkidle")
    own = [request for request in seen.requests if "/v1/samples/" not in request.url]
    assert {request.resource_type for request in own} >= {"document", "stylesheet", "script"}
    sizes = [request.sizes() for request in own]
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) < LIMIT_BYTES


def test_a_second_visit_loads_no_file_again(visit):
    page, _ = visit
    page.wait_for_load_state("networkidle")
    transferred = """() => performance.getEntriesByType("resource")
        .filter(({ name }) => /[/]static[/].*[.](js|css)$/.test(name)).map(({ transferSize }) => transferSize)"""
    assert min(page.evaluate(transferred)) > 0
    page.goto("/errors")
    page.goto("/")
    page.wait_for_load_state("networkidle")
    again = page.evaluate(transferred)
    assert again
    assert max(again) == 0


def test_dark_mode_turns_the_page_dark(visitor, frontend):
    lightness = {}
    for scheme in ("light", "dark"):
        page, _ = visitor.open(frontend, color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        lightness[scheme] = sum(int(part) for part in colour.strip("rgb()").split(","))
    assert lightness["dark"] < 100
    assert lightness["light"] > 600


def test_keyboard_alone_is_enough(visit):
    page, _ = visit
    press = page.keyboard.press

    def tab_to(name, at_most=60):
        for _ in range(at_most):
            press("Tab")
            focused = page.locator(":focus")
            outline = focused.evaluate(
                "each => [each, each.closest('label')].some(it => it && getComputedStyle(it).outlineStyle !== 'none')"
            )
            assert outline, f"the focus cannot be seen on {focused.evaluate('each => each.outerHTML')}"
            if focused.evaluate("(each, name) => each.matches(name)", name):
                return
        pytest.fail(f"Tab does not reach {name}")

    tab_to("#file")
    tab_to("[data-sample*='meningioma']")
    press("Enter")
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_be_focused()
    tab_to("#download-json")
    for _ in range(4):  # back over the other download, the slider is hidden yet
        press("Shift+Tab")
        if page.locator(":focus").get_attribute("id") == "layer-on":
            break
    press("Space")
    expect(page.get_by_role("switch")).to_be_checked()
    tab_to("#opacity", at_most=1)
    press("ArrowRight")
    expect(page.locator("#opacity-value")).to_have_text("51 %")
    settle(page)
    for name in ("#zoom-in", "#pane .openseadragon-canvas"):
        page.locator("main").focus()
        tab_to(name)
