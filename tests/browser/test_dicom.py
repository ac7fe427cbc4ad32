"""DICOM files on the page: dropped one by one, together and as an archive; what is said of them, and of whom never."""

import base64
import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from testbed.picture_files.dicom_files import PLANTED, enhanced_mr, mr_series, mr_slice
from tests.browser import axe
from tests.browser.jobs import wait_until_done
from tests.browser.reading import difference, result_id, settle, viewport, wait_for_answer

SLICES = 4
SAID = {"PixelSpacing": [0.5, 0.5], "ContrastBolusAgent": "Gd", "WindowCenter": 2040, "WindowWidth": 4080}
READ_DROPPED = """async (files) => {
    const dropped = new DataTransfer();
    for (const [name, text] of files) {
        const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
        dropped.items.add(new File([bytes], name));
    }
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def slices(samples):
    """Slices with tumours, and one without in between; 12 bits."""
    kinds = ("glioma", "notumor", "meningioma", "glioma")
    found = [Image.open(samples[kind]).convert("L").resize((256, 256)) for kind in kinds]
    return [np.asarray(each).astype(np.uint16) * 16 for each in found]


def drop(page: Page, model: str = "delineation", **files: bytes) -> None:
    """Drop files anywhere on the page; without a model for the one that outlines."""
    page.get_by_role("radio", name=f"Brain MRI tumour {model}").check()
    page.evaluate(READ_DROPPED, [[name, base64.b64encode(data).decode()] for name, data in files.items()])


def unnamed(page: Page) -> None:
    """Nothing in the page tells whom a file shows."""
    text = page.content()
    assert [value for value in PLANTED.values() if value in text] == []


def said(page: Page, where: str) -> dict[str, str]:
    pairs = page.locator(f"{where} div").all()
    return {each.locator("dt").inner_text(): each.locator("dd").inner_text() for each in pairs}


def test_a_file_is_asked_about_and_says_how_it_was_taken_and_not_whom_it_shows(visit, slices):
    page, seen = visit
    drop(page, IM1=mr_slice(slices[0], **SAID))
    wait_for_answer(page)
    settle(page)
    assert "brain_tumour" in seen.asked()
    told = said(page, "#taken-facts")
    assert told["Modality"] == "MR"
    assert told["Sequence"] == "T1, SE, TR 500 ms, TE 10 ms"
    assert told["Contrast agent"] == "named"
    assert told["Pixel size"] == "0.5 mm"
    assert told["Window"] == "centre 2040, width 4080 (the file's)"
    expect(page.locator("#frames")).to_be_hidden()
    unnamed(page)
    id_ = result_id(page)
    page.goto(f"/results/{id_}")
    assert said(page, ".taken") == told  # in the same words
    unnamed(page)


def test_the_scale_is_in_millimetres_and_is_right(visit, slices):
    page, _ = visit
    drop(page, IM1=mr_slice(slices[0], **SAID))
    wait_for_answer(page)
    settle(page)
    scale = page.locator("#scale")
    expect(scale).to_contain_text("mm")
    length = float(scale.inner_text().split()[0])
    picture = 256 * 0.5  # mm, which the pane shows along its shorter side
    box = page.locator("#pane").bounding_box()
    share = scale.bounding_box()["width"] / min(box["width"], box["height"])
    assert share == pytest.approx(length / picture, rel=0.05)


def test_of_a_file_with_frames_one_is_shown_and_all_are_offered(visit, slices):
    page, _ = visit
    drop(page, IM1=enhanced_mr(slices, **SAID))
    wait_for_answer(page)
    assert said(page, "#taken-facts")["Frame"] == f"1 of {SLICES}"
    page.get_by_role("button", name=f"Ask about all {SLICES} frames").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("#job-title")).to_have_text(f"Job of {SLICES} pictures")


def job_of(page: Page, slices) -> None:
    """The page of a job with a series, from an archive, done."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, each in enumerate(mr_series(slices, **SAID)):
            archive.writestr(f"scan/IM{number}", each)
    drop(page, scan=packed.getvalue())  # an archive by its content
    page.wait_for_url("**/jobs/*")
    wait_until_done(page)


def test_several_files_are_one_job(visit, slices):
    page, _ = visit
    drop(page, **{f"IM{number}": each for number, each in enumerate(mr_series(slices, **SAID))})
    page.wait_for_url("**/jobs/*")
    wait_until_done(page)
    expect(page.get_by_role("slider", name="Slice")).to_have_attribute("max", str(SLICES))
    unnamed(page)


def test_a_stack_scrolls_and_is_summed_up(visit, slices):
    page, seen = visit
    job_of(page, slices)
    api = page.request.get(f"/v1/jobs/{page.url.split('/')[-1]}").json()
    (series,) = api["series"]
    slider, words, picture = page.get_by_role("slider", name="Slice"), page.locator("#stack-words"), "#stack-picture"
    expect(slider).to_have_value(str(series["images"].index(series["largest"]["image"]) + 1))
    told = said(page, "#stack-summary")
    assert f"on slice {series['largest']['image'] + 1}" in told["Largest on one slice"]
    assert told["Volume"].startswith(f"{series['volume_mm3'] / 1000:,.1f} cm³")
    assert page.locator("#stack-marks span").count() == len(series["found"])
    slider.focus()
    page.keyboard.press("Home")
    expect(words).to_contain_text(f"Slice 1 of {SLICES} at 3 mm")
    expect(page.locator(picture)).to_have_attribute("alt", words.inner_text())
    first = page.locator(picture).screenshot()
    page.keyboard.press("ArrowRight")
    expect(words).to_contain_text("Slice 2 of")
    expect(page.locator(picture)).to_have_attribute("alt", words.inner_text())
    assert page.locator(picture).screenshot() != first
    page.locator(picture).hover()
    page.mouse.wheel(0, 80)
    expect(words).to_contain_text("Slice 4 of")
    page.mouse.wheel(0, -400)
    expect(words).to_contain_text("Slice 1 of")
    expect(page.locator(picture)).to_have_attribute("alt", words.inner_text())
    with page.expect_request("**/thumbnail.jpg?side=768&layer=none"):
        page.get_by_role("switch", name="Overlay").uncheck()
    result = api["images"][series["images"][0]]["result"]
    expect(page.get_by_role("link", name="in the viewer")).to_have_attribute("href", f"/#result={result}")
    fetched = [each.url for each in seen.requests if "side=768" in each.url]
    assert len(fetched) == len(set(fetched))  # a slice that was seen is kept
    unnamed(page)


def test_a_model_that_points_at_nothing_sums_up_its_classes(visit, slices):
    page, _ = visit
    drop(page, "classification", **{f"IM{number}": each for number, each in enumerate(mr_series(slices, **SAID))})
    page.wait_for_url("**/jobs/*")
    wait_until_done(page)
    told = said(page, "#stack-summary")
    assert "Something found on" not in told
    assert re.search(r"Glioma on \d \(\d", told["Classes"])


def test_a_dialog_hides_no_file_whose_name_has_no_ending(visit):
    page, _ = visit
    assert page.locator("#file").get_attribute("accept") is None


@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_nothing(visitor, frontend, slices, unavailable, width):
    if reason := axe.install():
        unavailable("browser", reason)
    page, _ = visitor.open(frontend, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    drop(page, IM1=mr_slice(slices[0], **SAID))
    wait_for_answer(page)
    settle(page)
    assert axe.violations(page) == []
    page.goto("/")
    job_of(page, slices)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe.violations(page) == [], scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_another_window_is_made_of_the_files_own_numbers_and_the_result_stays(visit, slices):
    page, _ = visit
    pixels = np.tile(np.linspace(0, 4000, 256).astype(np.uint16), (256, 1))  # below 16 levels are one in the picture
    drop(page, IM1=mr_slice(pixels, **SAID))
    wait_for_answer(page)
    before, group = viewport(page), page.get_by_role("group", name="Window")
    document = page.request.get(f"/v1/results/{result_id(page)}").json()
    expect(page.locator("#window-centre-value")).to_have_text("2040")
    expect(page.locator("#window-width-value")).to_have_text("4080")
    expect(group).to_contain_text("The model saw what Reset shows")
    centre, width = (group.get_by_role("slider", name=name) for name in ("Centre", "Width"))
    width.fill("400")
    centre.fill("1000")
    middle = viewport(page)[viewport(page).shape[0] // 2, :, 0]
    found = np.flatnonzero((middle > 10) & (middle < 245))  # grey from 800 to 1200 of 4000
    box = page.locator("#pane").bounding_box()
    assert len(found) / min(box["width"], box["height"]) == pytest.approx(0.1, abs=0.02)
    centre.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#window-centre-value")).to_have_text("1001")
    page.get_by_role("radio", name="Side by side").check()
    halves = np.array_split(viewport(page), 2, axis=1)
    assert all(np.mean((half < 10) | (half > 245)) > 0.8 for half in halves)
    page.get_by_role("radio", name="Overlay").check()
    page.get_by_role("button", name="Auto").click()
    expect(page.locator("#window-width-value")).not_to_have_text("400")
    page.get_by_role("button", name="Reset").click()
    assert difference(viewport(page), before) < 0.05
    assert page.request.get(f"/v1/results/{result_id(page)}").json() == document


def test_a_window_of_a_files_numbers_is_the_services(visit):
    page, _ = visit
    tables = page.evaluate(
        """async () => {
            const { valueTable } = await import("/static/viewer/window.js");
            const values = { low: -10, step: 0.5, steps: 100, inverted: false };
            const view = { centre: 10, width: 20 };
            return [[...valueTable(values, view)], [...valueTable({ ...values, inverted: true }, view)]];
        }"""
    )
    expected = np.clip((-10 + 0.5 * np.arange(101)) / 20 * 255, 0, 255)
    np.testing.assert_allclose(tables, [expected, 255 - expected], atol=0.51)
