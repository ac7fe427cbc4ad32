"""The page with a model of the task `segmentation`: areas, coloured classes, the threshold, downloads."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from testbed.encoded_pictures import encoded
from tests.browser.reading import (
    areas,
    difference,
    result_id,
    served,
    set_threshold,
    viewport,
    wait_for_answer,
)
from tests.browser.tissue import CARD, HE, UM_PER_PX, api, api_areas, ask, choose, shown_areas

SLIDE = """(slider, values) => values.forEach((value) => {
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
})"""


@pytest.fixture
def asked(visit):
    """The page with a result of the H&E sample."""
    page, seen = visit
    ask(page)
    return page, seen


def test_areas_are_those_of_the_api_in_the_cards_order_and_colours(asked):
    page, seen = asked
    expected = api_areas(page)
    assert all(area["mm2"] > 0 for area in expected.values())
    found = areas(page)
    assert shown_areas(page) == expected
    assert list(found) == [each["name"] for each in CARD["classes"]]
    for name, row in found.items():
        assert row["bar"] == pytest.approx(row["fraction"], abs=0.01), name
    for each in CARD["classes"]:
        fill = page.locator(f"#bars tr[data-class={each['name']}] .fill")
        colour = fill.evaluate("each => getComputedStyle(each).backgroundColor")
        assert tuple(bytes.fromhex(each["colour"][1:])) == tuple(map(int, re.findall(r"\d+", colour)))
    percent = f"{expected['epithelium']['fraction']:.1%}".replace("%", " %")
    expect(page.locator("#answer-title")).to_have_text(f"Epithelium {percent} of the tissue")
    expect(page.locator("#answer-title")).to_be_focused()
    assert len(seen.posts()) == 1


def test_areas_are_a_table_with_units(asked):
    page, _ = asked
    table = page.get_by_role("table", name="Area of each class, and its share of the tissue")
    expect(table.get_by_role("columnheader")).to_have_text(["Class", "Area", "Share of the tissue"])
    for each in CARD["classes"]:
        row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=each["title"], exact=True))
        expect(row.locator(".number").first).to_have_text(re.compile(r"^[\d.]+ mm²$"))
        expect(row.locator(".number").last).to_have_text(re.compile(r"^[<>]? ?[\d.]+ %$"))


@pytest.mark.parametrize("um_per_px", [0.7, 1.0])
def test_micrometres_per_pixel_reach_the_service(visit, um_per_px):
    page, _ = visit
    ask(page, um_per_px=um_per_px)
    document = api(page)
    assert document["provenance"]["parameters"] == {"um_per_px": um_per_px, "tta": False}
    assert sum(area["mm2"] for area in document["areas"].values()) == pytest.approx(0.15 * um_per_px**2, rel=0.01)
    page.get_by_text("Timings and provenance").click()
    expect(page.locator("#provenance")).to_contain_text(f"{um_per_px:g} micrometres per pixel")


def test_without_a_resolution_one_is_assumed_and_that_is_said(visit):
    page, _ = visit
    ask(page, um_per_px="")
    document = api(page)
    assert document["provenance"]["parameters"] == {"um_per_px": None, "tta": False}
    assert [each["code"] for each in document["warnings"]] == ["resolution_assumed"]
    expect(page.get_by_role("list", name="Warnings")).to_contain_text("0.5 micrometres per pixel were assumed")


def test_another_resolution_asks_again_when_told_to(asked):
    page, seen = asked
    again = page.get_by_role("button", name="Ask again with this change")
    field = page.get_by_role("spinbutton", name="Micrometres per pixel")
    first = result_id(page)
    expect(again).to_be_hidden()
    field.fill("1")
    expect(again).to_be_visible()
    field.fill(f"{UM_PER_PX}0")
    expect(again).to_be_hidden()
    field.press("Enter")
    assert len(seen.posts()) == 1
    field.fill("1")
    with page.expect_response("**/predict"):
        field.press("Enter")
    wait_for_answer(page)
    assert result_id(page) != first
    assert api(page)["um_per_px"] == 1


@pytest.mark.parametrize("wrong", ["9", "0.05", "-1"])
def test_resolution_out_of_range_is_said_before_anything_is_sent(visit, wrong):
    page, seen = visit
    choose(page, wrong)
    page.set_input_files("#file", HE)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Micrometres per pixel cannot be used")
    expect(alert).to_contain_text("a number from 0.1 to 4, or empty")
    field = page.get_by_role("spinbutton", name="Micrometres per pixel")
    expect(field).to_be_focused()
    assert seen.posts() == []
    field.fill("1")
    page.get_by_role("button", name="Ask again with this change").click()
    wait_for_answer(page)


def test_field_for_the_resolution_belongs_to_the_models_that_take_it(visit, samples):
    page, _ = visit
    field = page.get_by_role("spinbutton", name="Micrometres per pixel")
    expect(field).to_be_hidden()
    choose(page, "9")
    page.get_by_role("radio", name="Brain MRI tumour classification").check()
    expect(field).to_be_hidden()
    page.set_input_files("#file", samples["glioma"])  # a field out of sight is neither checked nor sent
    wait_for_answer(page)
    expect(page.get_by_role("slider", name="Threshold")).to_be_hidden()


def test_classes_lie_over_the_picture_as_the_service_draws_them(asked):
    page, seen = asked
    expect(page.get_by_role("switch", name="Classes")).to_be_checked()
    legend = page.get_by_role("list", name="Legend").get_by_role("listitem")
    expect(legend).to_have_text([each["title"] for each in CARD["classes"]])
    requests = len(seen.requests)
    page.get_by_role("slider", name="Opacity").fill("100")
    here = viewport(page)
    assert len(seen.requests) == requests
    assert difference(here, served(page, f"/v1/results/{result_id(page)}/overlay.png?opacity=0")) > 10
    assert difference(here, served(page, f"/v1/results/{result_id(page)}/overlay.png?opacity=1")) < 5


def test_threshold_changes_layer_and_areas_without_asking_the_model(asked):
    page, seen = asked
    expect(page.get_by_role("slider", name="Threshold")).to_have_value("0.5")
    pictures = [viewport(page)]
    for threshold in (0.9, 0.1):
        set_threshold(page, threshold)
        assert shown_areas(page) == api_areas(page, threshold=threshold)
        expect(page.locator("#threshold-value")).to_have_text(f"{threshold:.2f}")
        expect(page.locator("#threshold-status")).to_have_text(page.locator("#answer-title").inner_text())
        pictures.append(viewport(page))
    assert api(page, threshold=0.1)["areas"] != api(page, threshold=0.9)["areas"]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert difference(pictures[one], pictures[other]) > 0.3, (one, other)
    set_threshold(page, 0.5)
    assert difference(pictures[0], viewport(page)) == 0
    assert len(seen.posts()) == 1


def test_last_threshold_wins(asked):
    page, seen = asked
    before = len(seen.requests)
    page.route("**/v1/results/*?threshold=0.9", lambda _: None)  # never answered
    with page.expect_request("**/v1/results/*?threshold=0.9"):
        page.get_by_role("slider", name="Threshold").evaluate(SLIDE, ["0.8", "0.9"])  # the second before 0.8 is sent
    with page.expect_event("requestfailed") as cancelled:
        set_threshold(page, 0.2)
    assert cancelled.value.url.endswith("threshold=0.9")
    assert shown_areas(page) == api_areas(page, threshold=0.2)
    assert not [request.url for request in seen.requests[before:] if "threshold=0.8" in request.url]


def test_threshold_that_cannot_be_shown_is_said_and_taken_back(asked):
    page, seen = asked
    seen.expected.append("503")
    page.route("**/v1/results/*?threshold=0.9", lambda route: route.fulfill(status=503, body="no"))
    page.get_by_role("slider", name="Threshold").fill("0.9")
    status = page.get_by_role("status").filter(has_text="Another threshold could not be shown")
    expect(status).to_be_visible()
    expect(page.get_by_role("slider", name="Threshold")).to_have_value("0.5")
    assert shown_areas(page) == api_areas(page)
    expect(page.locator("#objects")).not_to_have_attribute("inert", "")
    set_threshold(page, 0.8)
    assert shown_areas(page) == api_areas(page, threshold=0.8)


def test_downloads_are_at_the_threshold_and_opacity_shown(asked):
    page, _ = asked
    set_threshold(page, 0.8)
    page.get_by_role("slider", name="Opacity").fill("30")
    id_ = result_id(page)
    expected = {
        "Overlay PNG": ("/overlay.png?opacity=0.3&threshold=0.8", ".png"),
        "Mask PNG": ("/mask.png?threshold=0.8", "-mask.png"),
        "Polygons GeoJSON (QuPath)": ("/polygons.geojson?threshold=0.8", ".geojson"),
        "Result JSON": ("?threshold=0.8", ".json"),
    }
    for name, (address, suffix) in expected.items():
        with page.expect_download() as download:
            page.get_by_role("link", name=name, exact=True).click()
        assert download.value.suggested_filename == f"he_tissue-{id_}{suffix}"
        got = download.value.path().read_bytes()
        assert got == page.request.get(f"/v1/results/{id_}{address}").body(), name
        if suffix == "-mask.png":
            values = np.asarray(Image.open(io.BytesIO(got)))
            lumen = api(page, threshold=0.8)["areas"]["lumen"]["mm2"]
            assert np.count_nonzero(values == 1) * UM_PER_PX**2 / 1e6 == pytest.approx(lumen, rel=0.05)
        if suffix == ".geojson":
            assert json.loads(got)["provenance"]["drawn_with"]["threshold"] == 0.8


def test_blank_picture_is_a_result_without_tissue(visit):
    page, _ = visit
    blank = {"name": "blank.png", "mimeType": "image/png", "buffer": encoded(Image.new("RGB", (300, 200), "white"))}
    ask(page, blank)
    expect(page.locator("#answer-title")).to_have_text("No tissue found")
    expect(page.get_by_role("list", name="Warnings")).to_contain_text("No tissue was found")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert all(row == {"mm2": 0, "fraction": 0, "bar": 0} for row in areas(page).values())
    expect(page.locator("#bars .number")).to_have_text(["0 mm²", "0 %"] * 3)


def test_sample_of_another_stain_says_so_before_and_after(visit):
    page, _ = visit
    choose(page)
    expect(page.get_by_role("region", name="Sample pictures")).not_to_contain_text("Labelled")
    expect(page.get_by_text("Immunohistochemistry: not what the model is for")).to_be_visible()
    page.get_by_role("button", name="Sample 1, Immunohistochemistry").click()
    wait_for_answer(page)
    expect(page.get_by_role("list", name="Warnings")).to_contain_text("not those of haematoxylin and eosin")


def test_address_of_a_result_shows_it_again(asked, visitor, frontend):
    page, _ = asked
    first, numbers = viewport(page), areas(page)
    again, seen = visitor.open(frontend, f"/#result={result_id(page)}")
    wait_for_answer(again)
    assert areas(again) == numbers
    assert difference(viewport(again), first) < 3
    set_threshold(again, 0.7)
    assert shown_areas(again) == api_areas(again, threshold=0.7)
    assert seen.posts() == []


def test_same_picture_can_go_to_the_other_model(asked):
    page, _ = asked
    page.get_by_role("radio", name="Brain MRI tumour classification").check()
    page.get_by_role("button", name="Ask Brain MRI").click()
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_have_text("No answer")  # it knows brain slices
    expect(page.get_by_role("switch", name="Saliency map")).to_be_hidden()
    expect(page.get_by_role("list", name="Legend")).to_be_hidden()
    expect(page.get_by_role("link", name="Mask PNG")).to_be_hidden()
    page.get_by_role("radio", name=CARD["title"]).check()
    page.get_by_role("button", name=f"Ask {CARD['title']}").click()
    expect(page.get_by_role("switch", name="Classes")).to_be_checked()
    expect(page.get_by_role("link", name="Mask PNG")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_nothing_is_wider_than_the_screen(visit, width):
    page, _ = visit
    page.set_viewport_size({"width": width, "height": 800})
    ask(page)
    for summary in page.locator("summary:visible").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
