"""The viewer: zoom, layers, thresholds in the browser, swipe, side by side, objects under the pointer."""

import re
import time

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.reading import difference, result_id, settle, viewport
from tests.browser.tissue import CARD, api, largest

THRESHOLDS = (0.05, 0.5, 0.95)
PATIENCE_S = 60


def test_a_tile_coloured_here_is_what_the_service_draws(asked):
    page, _ = asked
    found = page.evaluate(
        """async ([id, classes, thresholds]) => {
            const { classColours } = await import("/static/viewer/colours.js");
            async function samples(path) {
                const bitmap = await createImageBitmap(await (await fetch(`/v1/results/${id}${path}`)).blob());
                const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
                context.drawImage(bitmap, 0, 0);
                return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
            }
            const strengths = await samples("/tiles/overlay/0/0_0");
            const found = [];
            for (const threshold of thresholds) {
                const here = new Uint32Array(strengths.length / 4);
                classColours(classes, () => ({ threshold, hidden: new Set() }))(strengths, here);
                const drawn = await samples(`/overlay.png?base=none&opacity=1&threshold=${threshold}`);
                const there = new Uint32Array(drawn.buffer);
                found.push([here.length === there.length, here.filter((each, at) => each !== there[at]).length,
                            here.filter((each) => each === here[0]).length]);
            }
            return found;
        }""",
        [result_id(page), CARD["classes"], THRESHOLDS],
    )
    assert [(same_size, others) for same_size, others, _ in found] == [(True, 0)] * len(THRESHOLDS)
    assert len({of_one_colour for *_, of_one_colour in found}) == len(THRESHOLDS)


def test_threshold_acts_before_the_service_answers(asked):
    page, _ = asked
    before = viewport(page)
    page.route("**/v1/results/*", lambda route: None if "threshold" in route.request.url else route.continue_())
    page.get_by_role("slider", name="Threshold").fill("0.9")
    assert difference(viewport(page), before) > 0.3
    page.unroute("**/v1/results/*")


def test_a_class_can_be_hidden_and_shown_again(asked):
    page, seen = asked
    before, requests = viewport(page), len(seen.requests)
    for each in CARD["classes"]:
        box = page.get_by_role("list", name="Legend").get_by_role("checkbox", name=each["title"])
        box.uncheck()
        assert difference(viewport(page), before) > 0.5, each["title"]
        box.check()
        assert difference(viewport(page), before) == 0
    assert len(seen.requests) == requests


def test_zoom_shows_pixels_and_fit_shows_all_again(asked):
    page, _ = asked
    whole, scale = viewport(page), page.locator("#scale").inner_text()
    assert re.fullmatch(r"\d+ µm", scale)
    for _ in range(5):
        page.get_by_role("button", name="Zoom in").click()
    expect(page.locator("#scale")).not_to_have_text(scale)
    assert difference(viewport(page), whole) > 5
    page.get_by_role("button", name="Fit").click()
    expect(page.locator("#scale")).to_have_text(scale)
    assert difference(viewport(page), whole) < 1


def test_the_scale_is_right(asked):
    page, _ = asked
    bar = page.locator("#scale")
    um = float(bar.inner_text().removesuffix(" µm"))
    shown = page.locator("#pane").bounding_box()["width"]
    document = api(page)
    expected = um / document["um_per_px"] * shown / document["image"]["width"]
    assert bar.bounding_box()["width"] == pytest.approx(expected, abs=1.5)


def test_the_keyboard_moves_the_picture(asked):
    page, _ = asked
    before = viewport(page)
    page.get_by_role("application", name="The picture of this result").focus()
    for _ in range(4):
        page.keyboard.press("Equal")
    nearer = viewport(page)
    assert difference(nearer, before) > 5
    page.keyboard.press("ArrowRight")
    assert difference(viewport(page), nearer) > 2


def test_swipe_shows_the_layer_on_one_side_only(asked):
    page, seen = asked
    page.get_by_role("slider", name="Opacity").fill("100")
    overlay = viewport(page)
    page.get_by_role("switch").uncheck()
    plain = viewport(page)
    page.get_by_role("switch").check()
    page.get_by_role("radio", name="Swipe").check()
    requests, middle = len(seen.requests), overlay.shape[1] // 2
    page.get_by_role("slider", name="Divider").fill("50")
    both = viewport(page)
    assert difference(both[:, : middle - 5], plain[:, : middle - 5]) < 0.5
    assert difference(both[:, middle + 5 :], overlay[:, middle + 5 :]) < 0.5
    page.get_by_role("slider", name="Divider").fill("100")
    assert difference(viewport(page)[:, :-5], plain[:, :-5]) < 0.5
    assert len(seen.requests) == requests


def await_likeness(page: Page) -> None:
    """Wait until the halves show the same place; the right one is tinted, the left is not."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        shot = viewport(page)
        middle = shot.shape[1] // 2
        left, right = shot[:, 4 : middle - 5], shot[:, middle + 5 : middle + 5 + middle - 9]
        alike = np.corrcoef(left.sum(axis=2).ravel(), right.sum(axis=2).ravel())[0, 1] > 0.98
        if alike and difference(left, right) > 3:
            return
        assert time.monotonic() < deadline, "the halves do not show the same place"


def test_side_by_side_moves_together(asked):
    page, _ = asked
    page.get_by_role("slider", name="Opacity").fill("15")
    page.get_by_role("radio", name="Side by side").check()
    expect(page.get_by_role("application")).to_have_count(2)
    settle(page)
    await_likeness(page)
    page.get_by_role("button", name="Zoom in").click()
    await_likeness(page)
    page.get_by_role("radio", name="Overlay").check()
    expect(page.get_by_role("application")).to_have_count(1)


def test_an_object_says_its_class_and_area_under_the_pointer(asked):
    page, _ = asked
    title, (x, y) = largest(page)
    box = page.locator("#pane").bounding_box()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(page.locator("#object-tip")).to_have_text(re.compile(rf"^{title}, [\d.,]+ µm²$"))
    page.mouse.move(0, 0)
    expect(page.locator("#object-tip")).to_be_hidden()


def test_every_tile_knows_its_place_in_the_picture(asked):
    """What is cut out of a tile lies there: of a picture of one tile nobody would see the difference."""
    page, _ = asked
    places = page.evaluate(
        """async () => {
            const { Tiles } = await import("/static/viewer/tiles.js");
            const places = [];
            const described = { width: 1300, height: 900, tile: 512, levels: 3 };
            const tiles = new Tiles(described, "", () => {}, (context, ...place) => places.push(place));
            for (const [level, x, y] of [[0, 0, 0], [1, 1, 0], [2, 0, 0], [2, 2, 1]])
                tiles.prepare(new OffscreenCanvas(8, 8).getContext("2d"), { level, x, y });
            return places;
        }"""
    )
    assert places == [[0.25, 0, 0], [0.5, 1024, 0], [1, 0, 0], [1, 1024, 512]]
