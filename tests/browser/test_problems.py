"""What goes wrong is said in words, and nothing the user entered is lost."""

import re

import pytest
from playwright.sync_api import expect

from oncoserve.errors import all_errors
from testbed.encoded_pictures import encoded, noise
from testbed.servers import FrontendServer, TritonServer
from testbed.tiny_models import write_classifier
from tests.browser.reading import settle, wait_for_answer

MAX_BYTES, MAX_PIXELS = 20_000, 10_000


def picture(size=(32, 32), name="noise.png"):
    return {"name": name, "mimeType": "image/png", "buffer": encoded(noise(size))}


@pytest.fixture(scope="module")
def small_triton(embedded_triton, browser, tmp_path_factory):
    """A Triton of our own with a tiny model, so that it may be stopped."""
    folder = tmp_path_factory.mktemp("small")
    write_classifier(folder / "models")
    with TritonServer(folder / "models", folder) as server:
        yield server


@pytest.fixture(scope="module")
def small(small_triton, tmp_path_factory):
    """A frontend with low limits on it."""
    folder = tmp_path_factory.mktemp("small-frontend")
    settings = {"max_upload_bytes": MAX_BYTES, "max_image_pixels": MAX_PIXELS, "poll_interval_s": 0.1}
    repository = small_triton.env["ONCO_TRITON_MODEL_REPOSITORY"]
    with FrontendServer(
        small_triton.grpc_url, folder, results_dir=folder / "results", model_repository=repository, **settings
    ) as server:
        yield server


def test_text_named_png_is_refused_in_words(visit):
    page, seen = visit
    seen.expected.append("415")
    page.set_input_files("#file", {"name": "notes.png", "mimeType": "image/png", "buffer": b"not a picture"})
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The file is not a PNG, JPEG or DICOM")
    expect(alert).to_contain_text("looks like text")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    alert.get_by_role("link", name="unsupported_image").click()
    expect(page.locator("#unsupported_image")).to_be_in_viewport()


def test_errors_page_has_a_place_for_every_code(visitor, frontend):
    page, _ = visitor.open(frontend, "/errors")
    for error in all_errors():
        expect(page.locator(f"#{error.code}")).to_contain_text(error.advice)


def test_too_many_bytes_are_refused_before_the_upload(visitor, small):
    page, seen = visitor.open(small)
    big = picture((90, 90))
    assert len(big["buffer"]) > MAX_BYTES
    page.set_input_files("#file", big)
    expect(page.get_by_role("alert")).to_contain_text("the limit is 19.5 KiB")
    assert seen.posts() == []


def test_too_many_pixels_are_refused_in_words(visitor, small):
    page, seen = visitor.open(small)
    seen.expected.append("413")
    flat = encoded(noise((4, 4)).resize((101, 100)))
    page.set_input_files("#file", {"name": "flat.png", "mimeType": "image/png", "buffer": flat})
    expect(page.get_by_role("alert")).to_contain_text("101 x 100 = 10100 pixels; the limit is 10000")


def test_damaged_picture_is_refused_in_words(visitor, small):
    page, seen = visitor.open(small)
    seen.expected.append("422")
    page.set_input_files("#file", {**picture(), "buffer": picture()["buffer"][:500]})
    expect(page.get_by_role("alert")).to_contain_text("The picture is damaged")


def test_model_without_saliency_has_no_switch(visitor, small):
    page, _ = visitor.open(small)
    page.set_input_files("#file", picture())
    wait_for_answer(page)
    expect(page.get_by_role("switch")).to_be_hidden()
    expect(page.get_by_role("link", name="Overlay PNG")).to_be_hidden()
    page.reload()
    wait_for_answer(page)
    settle(page)
    expect(page.locator("#pane canvas").first).to_be_visible()
    expect(page.get_by_role("switch")).to_be_hidden()


def test_lost_connection_is_said_and_the_same_picture_can_be_sent_again(visitor, small):
    page, seen = visitor.open(small)
    seen.expected.append("ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    page.set_input_files("#file", picture(name="mine.png"))
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached")
    expect(page.locator("#chosen")).to_contain_text("mine.png")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    wait_for_answer(page)


def test_answer_of_something_in_between_is_not_taken_for_ours(visitor, small):
    page, seen = visitor.open(small)
    seen.expected.append("502")
    page.route("**/predict", lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway"))
    page.set_input_files("#file", picture())
    expect(page.get_by_role("alert")).to_contain_text("The answer was an unexpected 502")
    expect(page.get_by_role("button", name="Try again")).to_be_focused()


def test_cancel_stops_and_the_picture_can_be_sent_again(visitor, small):
    page, seen = visitor.open(small)
    seen.expected.append("ERR_FAILED")
    held = []

    def hold(route):
        held.append(route)

    page.route("**/predict", hold)
    with page.expect_request("**/predict"):
        page.set_input_files("#file", picture())
    expect(page.get_by_role("status").filter(has_text="ing")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("Cancelled")
    assert len(held) == 1
    page.unroute("**/predict")
    page.get_by_role("button", name="Try again").click()
    wait_for_answer(page)


def test_newer_picture_takes_the_place_of_one_under_way(visit, samples):
    page, _ = visit
    held = []
    page.route("**/predict", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/predict"):
        page.set_input_files("#file", samples["glioma"])
    with page.expect_event("requestfailed") as cancelled:
        page.set_input_files("#file", samples["pituitary"])
    assert cancelled.value.failure == "net::ERR_ABORTED"
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_contain_text("Pituitary tumour")


def test_triton_away_is_said_and_the_page_recovers(visitor, small, small_triton):
    page, seen = visitor.open(small)
    seen.expected.append("503")
    small_triton.stop()
    try:
        page.set_input_files("#file", picture((40, 40)))
        expect(page.get_by_role("alert")).to_contain_text("The inference server is not reachable")
        other, other_seen = visitor.open(small)
        other_seen.expected.append("503")
        # A server that ends in good order may say of its models that they are gone, before it says nothing more.
        title = re.compile("Not everything is ready|No model is ready yet")
        banner = other.get_by_role("status").filter(has_text=title)
        expect(banner).to_contain_text("recovers by itself")
    finally:
        small_triton.start()
        small_triton.wait_ready()
    small.wait_ready()
    page.get_by_role("button", name="Try again").click()
    wait_for_answer(page)
    expect(banner).to_be_hidden()
