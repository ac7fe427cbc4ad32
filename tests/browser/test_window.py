"""The place that the viewer takes, and the window of grey pictures."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser import tissue
from tests.browser.reading import difference, result_id, settle, viewport, wait_for_answer

# Of the browser's window, and the least that the viewer takes of it; pixels of the page.
SIZES = {
    (360, 740): (290, 290), (768, 1024): (700, 700), (1280, 720): (500, 490), (1280, 420): (500, 288),
    (1920, 1080): (1000, 850), (2560, 1440): (1600, 1200),
}  # fmt: skip


@pytest.fixture
def grey(visit, samples):
    """The page with the result of a grey picture."""
    page, seen = visit
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    settle(page)
    expect(page.get_by_role("group", name="Window")).to_be_visible()
    return page, seen


def slider(page: Page, name: str):
    return page.get_by_role("group", name="Window").get_by_role("slider", name=name)


def test_the_viewer_takes_the_place_there_is(grey):
    page, _ = grey
    for (width, height), (least_width, least_height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        settle(page)
        box = page.locator("#viewport").bounding_box()
        assert box["width"] >= least_width, (width, height)
        assert least_height <= box["height"] <= max(height, 288), (width, height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement !== null")
    settle(page)
    box = page.locator("#viewport").bounding_box()
    assert box["width"] > 0.95 * page.evaluate("innerWidth")
    assert box["height"] > 0.7 * page.evaluate("innerHeight")


def test_a_window_is_dicoms_linear_function(visit):
    page, _ = visit
    levels = np.arange(256)
    for centre, width in [(128, 256), (128, 255), (100, 50), (0, 1), (200, 1), (40, 512), (255, 2)]:
        found = page.evaluate(
            "async (view) => [...(await import('/static/viewer/window.js')).windowTable(view)]",
            {"centre": centre, "width": width},
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = np.select(
                [levels <= centre - 0.5 - (width - 1) / 2, levels > centre - 0.5 + (width - 1) / 2],
                [0, 255],
                ((levels - (centre - 0.5)) / (width - 1) + 0.5) * 255,
            )
        np.testing.assert_allclose(found, expected, atol=0.5, err_msg=f"{centre}, {width}")


def test_a_grey_picture_gets_another_window_and_only_the_screen_changes(grey):
    page, seen = grey
    before, document = viewport(page), page.request.get(f"/v1/results/{result_id(page)}").json()
    page.wait_for_load_state("networkidle")
    requests = len(seen.requests)
    slider(page, "Width").fill("1")
    slider(page, "Centre").fill("90")
    two_levels = viewport(page)
    assert np.mean((two_levels < 30) | (two_levels > 225)) > 0.9
    assert np.mean((before < 30) | (before > 225)) < 0.8
    page.get_by_role("button", name="Auto").click()
    assert difference(viewport(page), two_levels) > 10
    slider(page, "Centre").focus()
    page.keyboard.press("End")
    expect(page.locator("#window-centre-value")).to_have_text("255")
    page.get_by_role("radio", name="Side by side").check()
    settle(page)
    halves = np.array_split(viewport(page), 2, axis=1)
    assert max(half.mean() for half in halves) < before.mean()  # in the second pane, too
    page.get_by_role("radio", name="Overlay").check()
    page.get_by_role("button", name="Reset").click()
    assert difference(viewport(page), before) < 0.05  # the focus changes the rounded corners
    others = [each.url for each in seen.requests[requests:] if "/tiles/image/" not in each.url]  # the pane's own
    assert others == []
    assert page.request.get(f"/v1/results/{result_id(page)}").json() == document
    expect(page.get_by_role("group", name="Window")).to_contain_text("the model's answer and the files stay")


def test_dragging_changes_the_window_and_not_the_place(grey):
    page, _ = grey
    before, box = viewport(page), page.locator("#pane").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(right: int, down: int) -> list[int]:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + right / 2, y + down / 2, steps=4)
        page.mouse.move(x + right, y + down, steps=4)
        page.mouse.up()
        return [int(page.locator(f"#window-{name}-value").inner_text()) for name in ("centre", "width")]

    with_button = page.get_by_role("button", name="Drag")
    with_button.click()
    expect(with_button).to_have_attribute("aria-pressed", "true")
    assert drag(-80, 0) == [128, 176]
    assert drag(0, -40) == [168, 176]
    assert difference(viewport(page), before) > 3
    page.get_by_role("button", name="Reset").click()
    assert difference(viewport(page), before) < 0.05
    with_button.click()
    page.keyboard.down("Shift")
    assert drag(30, 0) == [128, 286]
    page.keyboard.up("Shift")
    page.get_by_role("button", name="Reset").click()
    assert drag(60, 0) == [128, 256]  # without either the picture is moved
    assert difference(viewport(page), before) > 3


def test_a_picture_with_colours_has_no_window(visit):
    page, _ = visit
    tissue.ask(page)
    expect(page.get_by_role("group", name="Window")).to_be_hidden()
