"""A model that outlines, and its older version that does not, on the page."""

import csv
import io

import httpx
import pytest
from playwright.sync_api import expect

from testbed.encoded_pictures import encoded
from testbed.servers import FrontendServer, TritonServer
from tests.browser.reading import result_id, settle, wait_for_answer
from tests.two_versions import patch, write_two_versions

SIZES = ("certainty", "area_px", "area_mm2", "longest_diameter_px", "longest_diameter_mm")


@pytest.fixture(scope="module")
def outlining(embedded_triton, tmp_path_factory):
    """A frontend whose one model is served in two versions."""
    folder = tmp_path_factory.mktemp("outlining")
    repository = folder / "models"
    write_two_versions(repository)
    settings = {"model_repository": repository, "results_dir": folder / "results", "job_workers": 1}
    with (
        TritonServer(repository, folder) as triton,
        FrontendServer(triton.grpc_url, folder, **settings) as server,
    ):
        yield server


def send(page, picture):
    page.set_input_files("#file", {"name": "slice.png", "mimeType": "image/png", "buffer": encoded(picture)})
    wait_for_answer(page)


def test_the_outline_is_drawn_and_measured_in_millimetres(visitor, outlining):
    page, _ = visitor.open(outlining)
    page.get_by_label("Millimetres per pixel").fill("0.5")
    send(page, patch())
    place = page.request.get(f"/v1/results/{result_id(page)}").json()["localisation"]
    expect(page.locator("#answer-title")).to_contain_text("Red")
    words = f"mm² are outlined, {place['longest_diameter_mm']:.1f} mm at the longest."
    expect(page.locator("#answer-description")).to_contain_text(words)
    expect(page.get_by_role("switch", name="Tumour outline")).to_be_checked()
    settle(page)
    expect(page.locator("#scale")).to_contain_text("mm")
    page.get_by_text("Timings and provenance").click()
    expect(page.locator("#provenance")).to_contain_text(f"{place['area_px']} pixels")
    expect(page.get_by_role("link", name="Mask PNG")).to_be_visible()
    page.get_by_label("Millimetres per pixel").fill("9")
    page.locator("#ask-again").click()
    expect(page.locator("#problem")).to_contain_text("from 0.05 to 5")


def test_what_is_not_known_is_said_in_place_of_a_class(visitor, outlining):
    page, _ = visitor.open(outlining)
    send(page, patch(corner=255))
    expect(page.locator("#answer-title")).to_have_text("Undetermined")
    expect(page.locator("#answer-description")).to_contain_text("unlike those that the model was trained on")
    expect(page.locator("#bars")).to_be_hidden()
    send(page, patch((200, 200, 200)))
    expect(page.locator("#answer-description")).to_contain_text("No class is probable enough")
    expect(page.locator("#bars tr")).to_have_count(3)


def test_a_result_of_the_older_version_is_shown_with_its_own_card(visitor, outlining):
    asked = httpx.post(f"{outlining.url}/v1/models/outliner/versions/1/predict", content=encoded(patch()), timeout=60)
    page, _ = visitor.open(outlining, f"/#result={asked.json()['id']}")
    wait_for_answer(page)
    expect(page.locator("#answer-kicker")).to_have_text("The older one")
    expect(page.locator("#bars tr")).to_have_count(4)
    expect(page.get_by_role("switch", name="Tumour heatmap and box")).to_be_checked()


def test_an_answer_that_comes_late_does_not_take_the_place_of_a_newer_one(visitor, outlining):
    """The older version's card is held up, and meanwhile another picture is chosen."""
    asked = httpx.post(f"{outlining.url}/v1/models/outliner/versions/1/predict", content=encoded(patch()), timeout=60)
    page, _ = visitor.open(outlining)
    page.route("**/v1/models/outliner/versions/1", lambda route: None)
    with page.expect_request("**/v1/models/outliner/versions/1"):
        page.evaluate("id => { location.hash = `result=${id}`; }", asked.json()["id"])
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/versions/1")):
        send(page, patch(corner=255))
    expect(page.locator("#answer-kicker")).to_have_text("Tiny test model outliner")
    expect(page.locator("#answer-title")).to_have_text("Undetermined")


def test_a_job_says_how_many_pictures_got_no_class(visitor, outlining):
    page, _ = visitor.open(outlining)
    page.get_by_label("Millimetres per pixel").fill("0.5")
    pictures = [encoded(each) for each in (patch(), patch(corner=255), patch((200, 200, 200), corner=10))]
    files = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": data} for n, data in enumerate(pictures)]
    page.set_input_files("#file", files)
    expect(page.locator("#job-status")).to_have_text("Done: 3 pictures of 3, 2 without a class")
    expect(page.get_by_role("link", name="Undetermined")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Results CSV").click()
    table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    for row, why in zip(table, (None, "unlike_training", "classes_close"), strict=True):
        found = page.request.get(f"/v1/results/{row['result']}").json()
        assert (row["label"], row["mm_per_px"]) == (found["label"] or "", "0.5")
        undetermined, place = found["undetermined"] or {}, found["localisation"] or {}
        assert undetermined.get("code") == why
        expected = {f"undetermined_{name}": undetermined.get(name) for name in ("code", "text", "value", "limit")}
        expected |= {name: place.get(name) for name in SIZES}
        for name, value in expected.items():
            assert (float(row[name]) if isinstance(value, float | int) else row[name] or None) == value, name
        assert "outline" not in row
