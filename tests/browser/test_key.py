"""A service that wants an API key: the page asks for it, keeps it for the tab, and everything works with it."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.reading import enter, result_id, viewport, wait_for_answer


def test_with_the_key_everything_works(visitor, locked, keys, samples):
    page, seen = visitor.open(locked)
    thumbnails = page.locator("[data-sample] img:visible")
    expect(thumbnails).not_to_have_count(0)
    for image in thumbnails.all():  # before there is a key
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.set_input_files("#file", samples["glioma"])
    expect(enter(page, keys[1])).to_be_hidden()
    wait_for_answer(page)
    assert seen.asked() == ["brain_mri", "brain_tumour"]

    plain = viewport(page)
    page.get_by_role("switch").check()
    assert (viewport(page) != plain).any()

    files = {}
    for name in ("Overlay PNG", "Result JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        files[name] = Path(download.value.path()).read_bytes()
        assert result_id(page) in download.value.suggested_filename
    assert json.loads(files["Result JSON"])["label"] == "glioma"
    assert Image.open(io.BytesIO(files["Overlay PNG"])).size == (512, 512)
    assert keys[1] not in "".join(request.url for request in seen.requests)

    page.reload()  # the same tab: the key is still there
    wait_for_answer(page)
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Sample 1, labelled pituitary tumour").click()
    expect(page.locator("#answer-title")).to_contain_text("Pituitary tumour")


def test_a_wrong_key_is_told_and_another_can_be_entered(visitor, locked, keys):
    page, seen = visitor.open(locked)
    seen.expected.append("401")
    page.get_by_role("button", name="Sample 1, labelled pituitary tumour").click()
    dialog = enter(page, "wrong")
    expect(dialog.get_by_role("alert")).to_have_text("The service does not know this key.")
    enter(page, keys[1])
    wait_for_answer(page)


def test_cancel_says_what_is_needed_and_the_question_can_be_asked_again(visitor, locked, keys, samples):
    page, _ = visitor.open(locked)
    page.set_input_files("#file", samples["notumor"])
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator("#problem")).to_contain_text("An API key is needed")
    page.get_by_role("button", name="Try again").click()
    page.keyboard.press("Escape")
    expect(page.locator("#problem")).to_contain_text("An API key is needed")
    page.get_by_role("button", name="Try again").click()
    enter(page, keys[1])
    wait_for_answer(page)


def test_a_key_that_was_taken_away_is_asked_for_again(visitor, locked, keys, samples):
    page, seen = visitor.open(locked)
    seen.expected.append("401")
    page.evaluate("sessionStorage.setItem('oncoserve-api-key', 'taken-away')")
    page.set_input_files("#file", samples["meningioma"])
    enter(page, keys[1])
    wait_for_answer(page)
    assert seen.asked() == ["brain_mri", "brain_mri", "brain_tumour"]


def test_another_tab_has_to_enter_it_again(visitor, locked, keys, samples):
    page, _ = visitor.open(locked)
    page.set_input_files("#file", samples["glioma"])
    enter(page, keys[1])
    wait_for_answer(page)
    other, _ = visitor.open(locked, f"/#result={result_id(page)}")
    enter(other, keys[1])
    wait_for_answer(other)


@pytest.mark.parametrize("which", ["locked", pytest.param("frontend", marks=pytest.mark.long)])
def test_the_api_document_works_under_its_policy(visitor, which, request):
    server = request.getfixturevalue(which)
    page, _ = visitor.open(server, "/docs")
    expect(page.get_by_role("heading", name="Oncoserve")).to_be_visible()
    page.get_by_role("button", name="GET /livez The process").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text("ok")
    expect(page.get_by_role("button", name="Authorize")).to_be_visible(visible=which == "locked")
