"""From a picture to the answer on the page."""

import base64
import io
import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from testbed.encoded_pictures import encoded
from tests.browser.reading import bars, difference, result_id, served, viewport, wait_for_answer

LABELS = {"glioma": "Glioma", "meningioma": "Meningioma", "notumor": "No tumour", "pituitary": "Pituitary tumour"}


@pytest.mark.parametrize("name", LABELS)
def test_chosen_file_gets_its_label_and_the_numbers_of_the_api(visit, samples, name):
    page, seen = visit
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose a picture", exact=True).click()
    chooser.value.set_files(samples[name])
    wait_for_answer(page)

    api = page.request.get(f"/v1/results/{result_id(page)}").json()
    assert api["label"] == name
    expect(page.locator("#answer-title")).to_contain_text(LABELS[name])
    shown = bars(page)
    assert {each: number for each, (number, _) in shown.items()} == api["probabilities"]
    for each, (number, length) in shown.items():
        assert length == pytest.approx(number, abs=0.01), each
    assert seen.asked() == ["brain_mri", "brain_tumour"]


def test_numbers_are_readable_without_the_bars(visit, samples):
    page, _ = visit
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    table = page.get_by_role("table", name="Probability of each class")
    for name, title in LABELS.items():
        row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=title, exact=True))
        expect(row).to_have_attribute("data-class", name)
        expect(row.get_by_role("cell").last).to_have_text(re.compile(r"^[<>]? ?\d+\.\d\d %$"))


def test_a_click_on_a_sample_asks_about_it(visit):
    page, _ = visit
    page.get_by_role("button", name="Sample 1, labelled pituitary tumour").click()
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_contain_text("Pituitary tumour")
    expect(page.locator("#answer-title")).to_be_focused()
    expect(page.locator("#chosen")).to_contain_text(".jpg")


def test_a_dropped_file_is_asked_about(visit, samples):
    page, _ = visit
    content = base64.b64encode(samples["notumor"].read_bytes()).decode()
    page.evaluate(
        """content => {
            const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "slice.jpg", { type: "image/jpeg" }));
            document.body.dispatchEvent(
                new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }),
            );
        }""",
        content,
    )
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_contain_text("No tumour")


def test_saliency_is_off_until_switched_on_and_the_slider_acts_without_a_request(visit, samples):
    page, seen = visit
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    switch, slider = page.get_by_role("switch", name="Saliency map"), page.get_by_role("slider", name="Opacity")
    expect(switch).not_to_be_checked()
    expect(slider).to_be_hidden()
    expect(page.locator("#layer-caption")).to_contain_text("not where the tumour is")
    plain = viewport(page)
    assert not any("/tiles/overlay/" in request.url for request in seen.requests)

    switch.check()
    viewport(page)
    assert any("/tiles/overlay/" in request.url for request in seen.requests)
    requests = len(seen.requests)
    away = []
    for opacity in (0, 25, 60, 100):
        slider.fill(str(opacity))
        away.append(difference(viewport(page), plain))
    assert len(seen.requests) == requests
    assert away[0] == 0
    assert all(more > less + 0.5 for less, more in itertools.pairwise(away)), away
    switch.uncheck()
    assert difference(viewport(page), plain) == 0


def test_layer_over_the_picture_is_what_the_service_draws(visit, samples):
    page, _ = visit
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    page.get_by_role("switch").check()
    page.get_by_role("slider", name="Opacity").fill("100")
    here = viewport(page)
    assert difference(here, served(page, f"/v1/results/{result_id(page)}/overlay.png?opacity=1")) < 5


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_turned_pictures_are_shown_upright_in_register_with_the_layer(visit, samples, kind, orientation):
    page, _ = visit
    with Image.open(samples["meningioma"]) as image:
        exif = image.getexif()
        exif[0x0112] = orientation
        turned = encoded(image, kind, exif=exif)
    page.set_input_files("#file", {"name": "turned", "mimeType": f"image/{kind.lower()}", "buffer": turned})
    wait_for_answer(page)
    overlay = f"/v1/results/{result_id(page)}/overlay.png"
    assert difference(viewport(page), served(page, f"{overlay}?opacity=0")) < 5
    page.get_by_role("switch").check()
    assert difference(viewport(page), served(page, f"{overlay}?opacity=0.5")) < 5
    expect(page.locator("#provenance")).to_contain_text(f"{kind}, turned upright (EXIF orientation {orientation})")


def test_warnings_are_shown_in_words(visit):
    page, _ = visit
    deep = Image.fromarray(np.linspace(0, 40000, 64 * 64).reshape(64, 64).astype(np.uint16))
    page.set_input_files("#file", {"name": "deep.png", "mimeType": "image/png", "buffer": encoded(deep)})
    wait_for_answer(page)
    expect(page.get_by_role("list", name="Warnings")).to_contain_text("16-bit samples were scaled")


def test_address_of_a_result_shows_it_again(visit, visitor, frontend, samples):
    page, _ = visit
    page.set_input_files("#file", samples["pituitary"])
    wait_for_answer(page)
    first, numbers = viewport(page), bars(page)

    again, seen = visitor.open(frontend, f"/#result={result_id(page)}")
    wait_for_answer(again)
    assert bars(again) == numbers
    assert difference(viewport(again), first) < 3
    assert seen.posts() == []
    again.get_by_role("switch").check()
    assert difference(viewport(again), first) > 1


def test_address_of_an_unknown_result_says_so(visitor, frontend):
    page, seen = visitor.open(frontend, f"/#result={'0' * 32}")
    seen.expected.append("404")
    expect(page.get_by_role("alert")).to_contain_text("The result is not known")


def test_downloads_are_the_overlay_at_the_opacity_shown_and_the_document(visit, samples):
    page, _ = visit
    page.set_input_files("#file", samples["glioma"])
    wait_for_answer(page)
    page.get_by_role("switch").check()
    page.get_by_role("slider", name="Opacity").fill("80")
    with page.expect_download() as download:
        page.get_by_role("link", name="Overlay PNG").click()
    assert download.value.suggested_filename == f"brain_mri-{result_id(page)}.png"
    expected = page.request.get(f"/v1/results/{result_id(page)}/overlay.png?opacity=0.8").body()
    assert download.value.path().read_bytes() == expected
    assert Image.open(io.BytesIO(expected)).format == "PNG"
    with page.expect_download() as download:
        page.get_by_role("link", name="Result JSON").click()
    assert json.loads(download.value.path().read_bytes())["id"] == result_id(page)


def test_timings_and_provenance_are_there_to_be_read(visit, samples):
    page, _ = visit
    page.set_input_files("#file", samples["glioma"])
    wait_for_answer(page)
    page.get_by_text("Timings and provenance").click()
    expect(page.locator("#request-timing")).to_contain_text("in the service")
    api = page.request.get(f"/v1/results/{result_id(page)}").json()
    assert page.locator("#timings th").all_inner_texts() == list(api["timings_ms"])
    for value in (api["provenance"]["input_sha256"], api["provenance"]["model_sha256"], api["provenance"]["created"]):
        expect(page.locator("#provenance")).to_contain_text(value)
