"""Objects that a person excludes in the viewer: areas and files follow, corrections stay, each with its threshold."""

import re

from playwright.sync_api import Page, expect

from tests.browser.reading import (
    areas,
    difference,
    result_id,
    set_threshold,
    viewport,
    wait_for_answer,
    wait_for_objects,
)
from tests.browser.tissue import api, api_areas, largest, shown_areas


def click_at(page: Page, x: float, y: float) -> None:
    """Click a point of the picture, given as parts of its width and height, while all of it is in sight."""
    box = page.locator("#pane").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


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
    assert after == api_areas(page)
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
    assert shown_areas(page) == api_areas(page, threshold=0.8)
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
