"""The page's control for averaging over turns, which a model of tissue can be asked for."""

from playwright.sync_api import expect

from tests.browser.reading import result_id, wait_for_answer
from tests.browser.tissue import HE, UM_PER_PX, api, choose


def test_averaging_over_turns_is_asked_for_with_a_tick(visit):
    page, _ = visit
    choose(page, UM_PER_PX)
    tick = page.get_by_role("checkbox", name="Average over four turns")
    expect(page.locator("#tta-hint")).to_contain_text("four times the computing")
    page.set_input_files("#file", HE)
    wait_for_answer(page)
    assert api(page)["provenance"]["parameters"] == {"um_per_px": UM_PER_PX, "tta": False}
    expect(page.locator("#ask-again")).to_be_hidden()
    tick.check()
    page.get_by_role("button", name="Ask again with this change").click()
    wait_for_answer(page)
    assert api(page)["provenance"]["parameters"] == {"um_per_px": UM_PER_PX, "tta": True}
    expect(page.locator("#ask-again")).to_be_hidden()
    page.get_by_text("Timings and provenance").click()
    expect(page.locator("#provenance")).to_contain_text("tta = true")
    page.goto(f"/results/{result_id(page)}")
    expect(page.locator(".facts").first).to_contain_text("tta = true")
