"""The model that outlines, on the page."""

import json
import re

import pytest
from playwright.sync_api import expect

from testbed.servers import PROJECT
from tests.browser.reading import result_id, settle, wait_for_answer


@pytest.fixture
def asked(visit, samples):
    """The page with an answer, and what the service says of it."""
    page, _ = visit
    page.get_by_role("radio", name="Brain MRI tumour delineation").check()
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    return page, page.request.get(f"/v1/results/{result_id(page)}").json()


def test_the_place_is_told_in_words(asked):
    page, api = asked
    place = api["localisation"]
    expect(page.locator("#answer-title")).to_contain_text("Meningioma")
    expect(page.locator("#answer-description")).to_contain_text("pixels are outlined")
    page.get_by_text("Timings and provenance").click()
    expect(page.locator("#provenance")).to_contain_text(f"{place['area_px']} pixels")


def test_the_outline_is_on_and_can_be_switched_off(asked):
    page, _ = asked
    switch = page.get_by_role("switch", name="Tumour outline")
    expect(switch).to_be_checked()
    assert outlined(page)
    switch.uncheck()
    expect(switch).not_to_be_checked()
    assert not outlined(page)


def outlined(page):
    """Whether the box or the cross is drawn over the picture."""
    settle(page)
    return page.locator("#outline-layer").evaluate(
        """canvas => {
          const empty = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
          return canvas.toDataURL() !== empty.toDataURL();
        }"""
    )


def test_the_outline_can_be_saved_for_qupath(asked):
    page, api = asked
    with page.expect_download() as download:
        page.get_by_role("link", name="Polygons GeoJSON (QuPath)").click()
    *polygons, _ = json.loads(download.value.path().read_text())["features"]
    assert [each["geometry"]["coordinates"] for each in polygons] == api["localisation"]["outline"]
    assert {each["properties"]["classification"]["name"] for each in polygons} == {"Meningioma"}


def test_the_samples_are_those_of_the_classifier(visit):
    page, _ = visit
    page.get_by_role("radio", name="Brain MRI tumour delineation").check()
    page.get_by_role("button", name="Sample 1, labelled pituitary tumour").click()
    wait_for_answer(page)
    expect(page.locator("#chosen")).to_contain_text(".jpg")


def test_a_picture_that_is_no_slice_gets_no_class_and_no_mark(visit):
    page, _ = visit
    page.get_by_role("radio", name="Brain MRI tumour delineation").check()
    picture = {"name": "page.png", "mimeType": "image/png", "buffer": (PROJECT / "docs/page.png").read_bytes()}
    page.set_input_files("#file", picture)
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_have_text(re.compile("No answer"))
    expect(page.locator("#warnings")).to_contain_text("The border of the picture is not dark")
    expect(page.locator("#bars")).to_be_hidden()
    expect(page.get_by_role("switch")).to_have_count(0)
    assert not outlined(page)


def test_samples_of_another_model_are_named_by_its_classes(visit):
    """It has one that this model lacks."""
    page, _ = visit
    page.get_by_role("radio", name="Brain MRI tumour delineation").check()
    expect(page.get_by_role("region", name="Sample pictures")).to_contain_text("Labelled no tumour")
