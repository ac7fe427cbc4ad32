"""Pages with an address of their own where a key is needed: empty without it, filled with it."""

import re

from playwright.sync_api import expect

from tests.browser.reading import enter, result_id, wait_for_answer


def test_report_list_and_jobs_work_with_the_key(visitor, locked, keys, samples):
    page, _ = visitor.open(locked)
    page.set_input_files("#file", samples["glioma"])
    enter(page, keys[1])
    wait_for_answer(page)
    page.locator("#history summary").click()
    expect(page.locator("#history-list a")).to_contain_text("Glioma")
    page.get_by_role("link", name="Report to print").click()  # the same tab: the key is still there
    expect(page.get_by_role("heading", level=1)).to_contain_text("Glioma")
    expect(page.locator(".pictures img")).to_have_count(2)
    for image in page.locator(".pictures img").all():
        expect(image).to_have_attribute("src", re.compile("^blob:"))  # before that there is nothing to decode
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 200
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    page.goto("/jobs")
    expect(page.get_by_role("status")).to_have_text("There are no jobs.")


def test_another_tab_asks_for_the_key_before_it_shows_a_result(visitor, locked, keys, samples):
    page, _ = visitor.open(locked)
    page.set_input_files("#file", samples["glioma"])
    enter(page, keys[1])
    wait_for_answer(page)
    other, _ = visitor.open(locked, f"/results/{result_id(page)}")
    expect(other.get_by_text("Glioma")).to_have_count(0)
    other.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(other.get_by_role("alert").first).to_contain_text("An API key is needed")
    other.get_by_role("button", name="Try again").click()
    enter(other, keys[1])
    expect(other.get_by_role("heading", level=1)).to_contain_text("Glioma")
