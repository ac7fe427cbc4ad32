"""Two models that answer the same question: what the other one says stands beside the answer."""

import re

from PIL import Image
from playwright.sync_api import expect

from testbed.encoded_pictures import encoded
from tests.browser.reading import result_id, wait_for_answer

OTHER = "Brain MRI tumour delineation"


def upload(page, data):
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": data})
    wait_for_answer(page)


def test_agreement_and_disagreement_are_said(visit, samples):
    page, seen = visit
    upright = Image.open(samples["pituitary"]).convert("L")
    words = page.locator("#comparison")
    upload(page, encoded(upright))
    expect(words).to_contain_text(re.compile(rf"^{OTHER} agrees: Pituitary tumour, [\d.]+ %\. Both can be wrong\."))
    expect(words).not_to_have_class(re.compile("differs"))
    assert seen.asked() == ["brain_mri", "brain_tumour"]
    assert [each.headers.get("priority") for each in seen.posts()] == [None, "u=6"]

    upload(page, encoded(upright.rotate(90, expand=True)))  # which only one of the two sees through
    expect(words).to_contain_text(f"{OTHER} disagrees: Pituitary tumour")
    expect(words).to_contain_text("At least one of the two is wrong.")
    expect(words).to_have_class(re.compile("differs"))
    result, posts = result_id(page), len(seen.posts())

    page.get_by_role("link", name="Its result").click()
    expect(page.locator("#answer-kicker")).to_have_text(OTHER)
    wait_for_answer(page)
    expect(words).to_contain_text("Brain MRI tumour classification disagrees: Meningioma")
    page.goto(f"/results/{result}")
    expect(page.locator(".comparison")).to_contain_text(f"{OTHER} disagrees: Pituitary tumour")
    assert len(seen.posts()) == posts  # what is stored is compared


def test_that_the_other_model_fails_is_said_and_takes_nothing_away(visit, samples):
    page, seen = visit
    seen.expected.append("503")
    page.route("**/brain_tumour/predict", lambda route: route.fulfill(status=503, body="no"))
    page.set_input_files("#file", samples["glioma"])
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_contain_text("Glioma")
    expect(page.locator("#comparison")).to_contain_text(f"{OTHER} could not be asked, too.")
    expect(page.locator("#problem")).to_be_hidden()
    page.unroute("**/brain_tumour/predict")


def test_a_model_that_is_compared_with_none_says_nothing(visit, samples):
    page, _ = visit
    page.get_by_role("radio", name="H&E tissue").check()
    page.get_by_role("button", name="Sample 1, H&E").click()
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_contain_text(re.compile(r"Epithelium 3\d\.\d %"))
    expect(page.get_by_role("list", name="Warnings")).to_be_hidden()
    expect(page.locator("#comparison")).to_be_hidden()
