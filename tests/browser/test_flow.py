"""Several pictures, the clipboard, the list of results, addresses, deletion, and a browser without scripts."""

import base64
import codecs
import csv
import io
import re

import pytest
from playwright.sync_api import expect

from oncoserve import NOTICE
from testbed.encoded_pictures import encoded, scan
from testbed.servers import PROJECT
from tests.browser.jobs import wait_until_done
from tests.browser.reading import bars, result_id, wait_for_answer

HE = PROJECT / "build/samples/he_tissue/he/histo.jpg"
TRANSFER = """([content, kind, names]) => {
    const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
    const data = new DataTransfer();
    for (const name of names) data.items.add(new File([bytes], name, { type: "image/jpeg" }));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { bubbles: true, clipboardData: data })
        : new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data });
    document.body.dispatchEvent(event);
}"""


def hand_in(page, kind, path, *names):
    page.evaluate(TRANSFER, [base64.b64encode(path.read_bytes()).decode(), kind, names])


def picture(name="noise.png", data=None):
    return {"name": name, "mimeType": "image/png", "buffer": data or encoded(scan())}


def held(path):
    return {"name": path.name, "mimeType": "image/jpeg", "buffer": path.read_bytes()}


def test_a_pasted_picture_is_asked_about(visit, samples):
    page, _ = visit
    hand_in(page, "paste", samples["pituitary"], "image.png")
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_contain_text("Pituitary tumour")


def test_pasted_text_is_not_taken_for_a_picture(visit):
    page, seen = visit
    hand_in(page, "paste", HE)
    expect(page.locator("#empty")).to_be_visible()
    assert seen.posts() == []


def test_several_pictures_become_a_job_with_a_row_each(visit, samples):
    page, seen = visit
    formula = picture("=1+1.png", b"no picture")
    page.set_input_files("#file", [held(samples["glioma"]), held(samples["meningioma"]), formula])
    page.wait_for_url("**/jobs/*")
    wait_until_done(page)
    expect(page.locator("#job-status")).to_have_text("Partly done: 2 pictures of 3, 1 failed")
    bar = page.get_by_role("img", name="2 of 3 with a result, 1 failed")
    whole, *parts = [each.bounding_box()["width"] for each in (bar, *bar.locator("span").all())]
    assert [part / whole for part in parts] == pytest.approx([2 / 3, 1 / 3], abs=0.01)
    rows = page.locator("#image-rows tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0).get_by_role("link")).to_contain_text("Glioma")
    expect(rows.nth(1).get_by_role("rowheader")).to_have_text(samples["meningioma"].name)
    expect(rows.nth(2)).to_contain_text("The file is not a PNG, JPEG or DICOM")
    expect(rows.nth(0).locator("img")).to_have_js_property("complete", True)
    assert len(seen.posts()) == 1

    with page.expect_download() as download:
        page.get_by_role("button", name="Results CSV").click()
    content = download.value.path().read_bytes()
    assert content.startswith(codecs.BOM_UTF8)  # for Excel
    table = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row["label"] for row in table] == ["glioma", "meningioma", ""]
    assert [row["picture"] for row in table][2] == "'=1+1.png"  # a spreadsheet would compute it
    assert table[2]["error"] == "unsupported_image"
    result = page.request.get(f"/v1/results/{table[0]['result']}").json()
    assert float(table[0]["probability_glioma"]) == result["probabilities"]["glioma"]

    rows.nth(0).get_by_role("link").click()
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_contain_text("Glioma")


def test_jobs_are_listed_and_can_be_deleted(visit, samples):
    page, seen = visit
    hand_in(page, "drop", samples["notumor"], "a.jpg", "b.jpg")
    page.wait_for_url("**/jobs/*")
    wait_until_done(page)
    address = page.url
    page.get_by_role("link", name="All jobs").click()
    expect(page.locator("#jobs-rows tr").first).to_contain_text("2 of 2")
    page.locator("#jobs-rows a").first.click()
    page.wait_for_url(address)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete this job").click()
    page.wait_for_url("**/jobs")
    expect(page.locator(f"#jobs-rows a[href='{address.removeprefix(page.url[: -len('/jobs')])}']")).to_have_count(0)
    seen.expected.append("404")
    page.goto(address)
    expect(page.get_by_role("alert")).to_contain_text("The job is not known")


def test_queue_position_and_progress_are_told(visit):
    page, _ = visit
    links = {"self": "/v1/jobs/x", "model": "/v1/models/brain_mri"}
    shapes = {
        "Waiting: 7 pictures of other jobs are ahead": ("QUEUED", 7, 0, 0),
        "Running: 1 of 2 pictures done": ("RUNNING", None, 1, 0),
        "Running: 2 of 2 pictures done, 1 failed": ("RUNNING", None, 1, 1),
        "Failed: all 2 pictures have no result": ("FAILED", None, 0, 2),
    }
    texts = list(shapes)

    def answer(route):
        state, position, succeeded, failed = shapes[texts[0]]  # until the test has seen it
        times = dict.fromkeys(("created", "updated", "expires"), "2026-11-23T00:00:00.000+00:00")
        progress = {"total": 2, "queued": 0, "running": 0, "succeeded": succeeded, "failed": failed}
        document = {"id": "x", "state": state, "model": "brain_mri", "position": position, "progress": progress}
        route.fulfill(json={**document, **times, "parameters": {}, "images": [], "links": links})

    page.route("**/v1/jobs/x", answer)
    page.goto("/jobs/x")
    for text in shapes:
        expect(page.get_by_role("status").first).to_have_text(text)
        texts = texts[1:] or texts
    expect(page.get_by_role("button", name="Results CSV")).to_be_disabled()


def test_what_the_service_gave_up_is_tried_again_in_a_job_of_its_own(visit):
    page, seen = visit
    error = {"code": "attempts_exhausted", "title": "Given up", "detail": "It failed.", "retryable": True}
    image = {"name": "a.png", "state": "FAILED", "result": None, "links": {}, "attempts": 3, "error": error}
    progress = {"total": 1, "queued": 0, "running": 0, "succeeded": 0, "failed": 1}
    times = dict.fromkeys(("created", "updated", "expires"), "2026-11-23T00:00:00.000+00:00")
    links = {"self": "/v1/jobs/x", "model": "/v1/models/brain_mri"}
    job = {"id": "x", "state": "FAILED", "model": "brain_mri", "position": None, "parameters": {}, "links": links,
           "progress": progress, "images": [image], **times}  # fmt: skip
    page.route("**/v1/jobs/x", lambda route: route.fulfill(json=job))
    page.route("**/v1/jobs/x/retry", lambda route: route.fulfill(status=202, json=job | {"id": "y"}))
    page.route("**/v1/jobs/y", lambda route: route.fulfill(json=job | {"id": "y", "images": []}))
    page.goto("/jobs/x")
    page.get_by_role("button", name="Try the failed ones again").click()
    page.wait_for_url("**/jobs/y")
    assert [post.url.rpartition("/v1/")[2] for post in seen.posts()] == ["jobs/x/retry"]
    expect(page.get_by_role("status").first).to_have_text("Failed: the picture has no result")
    expect(page.get_by_role("button", name="Try the failed ones again")).to_be_hidden()


def test_an_upload_of_several_can_be_cancelled_and_sent_again(visit, samples):
    page, seen = visit
    seen.expected.append("ERR_FAILED")
    page.route("**/v1/jobs", lambda _: None)
    page.set_input_files("#file", [samples["glioma"], samples["notumor"]])
    expect(page.locator("#stage")).to_have_text(re.compile("Uploading 2 pictures|Checking the pictures"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("Cancelled")
    expect(page.locator("#chosen")).to_contain_text("2 pictures")
    page.unroute("**/v1/jobs")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url("**/jobs/*")


@pytest.mark.parametrize(
    ("limit", "title"),
    [("maxFiles", "These are too many pictures"), ("maxBytes", "The pictures are too large together")],
)
def test_what_no_job_can_hold_is_refused_before_the_upload(visit, limit, title):
    page, seen = visit
    page.evaluate("(limit) => { document.getElementById('file').dataset[limit] = 1 }", limit)
    page.set_input_files("#file", [picture("a.png"), picture("b.png")])
    expect(page.get_by_role("alert")).to_contain_text(title)
    expect(page.get_by_role("alert")).to_contain_text("Send them as several jobs")
    assert seen.posts() == []


def test_own_results_are_listed_newest_first_and_open_again(visit, samples):
    page, seen = visit
    for name in ("glioma", "pituitary"):
        page.set_input_files("#file", samples[name])
        wait_for_answer(page)
        expect(page.locator("#answer-title")).to_contain_text(name.title())
        expect(page.locator("#comparison-words")).to_contain_text("agrees")  # the other model has been asked, too
    asked = seen.asked()
    assert not any("thumbnail" in request.url for request in seen.requests)  # the list is shut
    page.locator("#history summary").click()
    links = page.locator("#history-list a")
    expect(links.nth(0)).to_contain_text("Pituitary tumour")
    expect(links.nth(1)).to_contain_text("Glioma")
    kept = page.evaluate("localStorage.getItem('oncoserve-results')")
    assert set(re.findall(r'"(\w+)":', kept)) == {"id", "model", "time"}
    links.nth(1).click()
    expect(page.locator("#answer-title")).to_contain_text("Glioma")
    wait_for_answer(page)
    assert seen.asked() == asked == ["brain_mri", "brain_tumour"] * 2
    page.reload()
    wait_for_answer(page)
    expect(page.locator("#history-count")).to_have_text("(2)")
    page.locator("#history summary").click()
    page.get_by_role("button", name="Clear this list").click()
    expect(page.locator("#history-list li")).to_have_count(0)
    assert page.request.get(f"/v1/results/{result_id(page)}").ok


def test_a_list_that_somebody_broke_is_an_empty_one(visit):
    page, _ = visit
    for broken in ("nonsense", '{"a": 1}', '[null, {"id": "../x"}]'):
        page.evaluate("(text) => localStorage.setItem('oncoserve-results', text)", broken)
        page.reload()
        expect(page.locator("#history-count")).to_have_text("(0)")


def test_a_result_can_be_deleted(visit):
    page, _ = visit
    page.set_input_files("#file", picture())
    wait_for_answer(page)
    address = f"/v1/results/{result_id(page)}"
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Delete this result").click()
    assert page.request.get(address).ok
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete this result").click()
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#history-count")).to_have_text("(0)")
    assert page.request.get(address).status == 404


def test_the_page_of_a_result_says_what_the_viewer_says(visit, samples):
    page, _ = visit
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    title, numbers = page.locator("#answer-title").inner_text(), page.locator("#bars .number").all_inner_texts()
    lengths = [length for _, length in bars(page).values()]
    page.get_by_role("link", name="Report to print").click()
    page.wait_for_url("**/results/*")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(title.replace("\n", r"\s*")))
    expect(page.locator(".bars .number")).to_have_text(numbers, use_inner_text=True)
    drawn = page.locator(".bars rect").evaluate_all(
        "all => all.map((each) => each.getBBox().width / each.ownerSVGElement.clientWidth)"
    )
    assert drawn == pytest.approx(lengths, abs=0.01)
    page.get_by_role("link", name="Open in the viewer").click()
    wait_for_answer(page)
    expect(page.locator("#answer-title")).to_contain_text("Meningioma")


@pytest.mark.parametrize("model", ["brain_mri", "he_tissue"])
def test_the_report_is_one_sheet_with_picture_overlay_and_notice(visit, samples, model):
    page, _ = visit
    page.locator(f"input[name=model][value={model}]").check()
    page.set_input_files("#file", HE if model == "he_tissue" else samples["glioma"])
    wait_for_answer(page)
    page.goto(f"/results/{result_id(page)}")
    expect(page.locator(".pictures img")).to_have_count(2)
    for image in page.locator(".pictures img").all():
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 200
    paper = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b", paper)) == 1
    assert b"/MediaBox [0 0 594.9" in paper or b"/MediaBox [0 0 595" in paper  # A4
    page.emulate_media(media="print")
    expect(page.get_by_text(NOTICE).locator("visible=true").first).to_be_visible()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()


def test_print_asks_the_browser(visit, samples):
    page, _ = visit
    page.set_input_files("#file", samples["glioma"])
    wait_for_answer(page)
    page.goto(f"/results/{result_id(page)}")
    page.evaluate("() => { window.print = () => { document.title = 'printed' } }")
    page.get_by_role("button", name="Print").click()
    expect(page).to_have_title("printed")


def test_without_scripts_a_picture_gets_its_result(visitor, frontend):
    page, seen = visitor.open(frontend, java_script_enabled=False)
    page.get_by_role("radio", name="H&E tissue").check()
    page.get_by_role("spinbutton", name="Micrometres per pixel").fill("0.7")
    page.set_input_files("#file", HE)
    page.get_by_role("button", name="Ask about this picture").click()
    page.wait_for_url("**/results/*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Epithelium")
    expect(page.get_by_text("um_per_px = 0.7")).to_be_visible()
    expect(page.get_by_role("link", name="Mask PNG")).to_be_visible()
    expect(page.locator(".pictures img")).to_have_count(2)
    seen.expected.append("415")
    page.goto("/")
    page.get_by_role("radio", name="H&E tissue").check()
    page.get_by_role("spinbutton", name="Micrometres per pixel").fill("0.9")
    page.set_input_files("#file", picture("notes.png", b"words"))
    page.get_by_role("button", name="Ask about this picture").click()
    expect(page.get_by_role("alert")).to_contain_text("The file is not a PNG, JPEG or DICOM")
    expect(page.get_by_role("radio", name="H&E tissue")).to_be_checked()
    expect(page.get_by_role("spinbutton", name="Micrometres per pixel")).to_have_value("0.9")
