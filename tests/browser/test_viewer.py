"""The viewer: zoom, layers, thresholds in the browser, swipe, side by side, objects and corrections."""

import json
import re
import time

import httpx
import numpy as np
import pytest
import shapely
from playwright.sync_api import Page, expect

from tests.browser.reading import areas, difference, result_id, settle, viewport, wait_for_answer, wait_for_objects
from tests.browser.test_segmentation import CARD, HE, UM_PER_PX, api, set_threshold, shown_areas

THRESHOLDS = (0.05, 0.5, 0.95)
PATIENCE_S = 60


@pytest.fixture(scope="module")
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


def click_at(page: Page, x: float, y: float) -> None:
    """Click a point of the picture, given as parts of its width and height, while all of it is in sight."""
    box = page.locator("#pane").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def largest(page: Page) -> tuple[str, tuple[float, float]]:
    """The largest lumen: its title, and a point in it as parts of the picture."""
    features = page.request.get(f"/v1/results/{result_id(page)}/polygons.geojson").json()["features"]
    lumens = [each for each in features if each["properties"]["name"].startswith("lumen-")]
    shapes = [shapely.from_geojson(json.dumps(each["geometry"])) for each in lumens]
    index = int(np.argmax([shape.area for shape in shapes]))
    point = shapes[index].representative_point()
    image = api(page)["image"]
    title = lumens[index]["properties"]["name"].replace("lumen-", "Lumen ")
    return title, (point.x / image["width"], point.y / image["height"])


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


def names_of_regions(page, *, marked=False, **options):
    """Of polygons.geojson; only those that are marked as excluded, or all."""
    answer = page.request.get(f"/v1/results/{result_id(page)}/polygons.geojson", params=options)
    regions = [each["properties"] for each in answer.json()["features"]]
    return [each["name"] for each in regions if each.get("excluded") or not marked]


def test_a_click_excludes_an_object_and_the_areas_follow_and_stay(asked, visitor, frontend):
    page, seen = asked
    before, areas_before, every = viewport(page), shown_areas(page), names_of_regions(page)
    title, place = largest(page)
    excluded = title.lower().replace(" ", "-")
    with page.expect_response("**/corrections?threshold=0.5"):
        click_at(page, *place)
    expect(page.locator("#objects-status")).to_have_text(f"{title} excluded. Kept with the result.")
    assert api(page)["excluded"] == [excluded]
    after = shown_areas(page)
    assert after == api(page)["areas"]
    assert after["lumen"]["mm2"] < areas_before["lumen"]["mm2"]
    assert after["epithelium"]["mm2"] == areas_before["epithelium"]["mm2"]
    assert difference(viewport(page), before) > 0.1

    # In another tab, at the same address, and in the files.
    again, _ = visitor.open(frontend, f"/#result={result_id(page)}")
    wait_for_answer(again)
    assert shown_areas(again) == after
    wait_for_objects(again)
    expect(again.locator("#objects")).to_be_visible()
    assert difference(viewport(again), viewport(page)) < 1
    assert names_of_regions(page) == [name for name in every if name != excluded]
    assert names_of_regions(page, excluded="ignore", marked=True) == [excluded]

    with page.expect_response("**/corrections?threshold=0.5"):
        click_at(page, *place)
    expect(page.locator("#objects-status")).to_have_text(f"{title} included. Kept with the result.")
    assert shown_areas(page) == areas_before
    assert difference(viewport(page), before) < 0.05  # the focus changes the rounded corners
    assert seen.posts() == []


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


def test_objects_can_be_excluded_by_keyboard_from_the_table(asked):
    page, _ = asked
    before, scale = areas(page), page.locator("#scale").inner_text()
    assert re.fullmatch(r"\d+ µm", scale)
    page.get_by_text("Objects (").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # the table scrolls
    page.keyboard.press("Tab")
    box = page.locator(":focus")
    expect(box).to_have_attribute("aria-label", re.compile("^Count "))
    expect(box).to_be_checked()
    name = box.get_attribute("aria-label")
    with page.expect_response("**/corrections?threshold=0.5"):
        page.keyboard.press("Space")
    expect(page.locator("#objects-status")).to_have_text(
        f"{name.removeprefix('Count ')} excluded. Kept with the result."
    )
    assert areas(page) != before
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#scale")).not_to_have_text(scale)


def test_corrections_belong_to_their_threshold(asked):
    page, _ = asked
    title, place = largest(page)
    with page.expect_response("**/corrections?threshold=0.5"):
        click_at(page, *place)
    excluded = shown_areas(page)
    set_threshold(page, 0.8)
    assert shown_areas(page) == api(page, threshold=0.8)["areas"]
    assert "excluded" not in api(page, threshold=0.8)
    set_threshold(page, 0.5)
    assert shown_areas(page) == excluded
    box = page.locator("#objects-rows").get_by_role("checkbox", name=f"Count {title}", exact=True)
    page.get_by_text("Objects (").click()
    expect(box).not_to_be_checked()


def test_a_correction_that_cannot_be_kept_is_said_and_still_shown(asked):
    page, seen = asked
    seen.expected.append("503")
    page.route("**/corrections?*", lambda route: route.fulfill(status=503, body="no"))
    before = shown_areas(page)
    click_at(page, *largest(page)[1])
    expect(page.locator("#objects-status")).to_contain_text("could not be kept")
    assert shown_areas(page)["lumen"]["mm2"] < before["lumen"]["mm2"]
    page.unroute("**/corrections?*")
