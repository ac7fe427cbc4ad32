"""What was found, on the pages of jobs: told from the jobs' documents, however the results are."""

from playwright.sync_api import expect

FOUND = {"task": "classification", "version": "1", "label": "glioma", "probability": 0.9875, "warnings": [],
         "undetermined": None}  # fmt: skip
UNNAMED = {**FOUND, "label": None, "probability": None, "undetermined": "not_an_mri", "warnings": ["not_an_mri"]}
TIMES = dict.fromkeys(("created", "updated", "expires"), "2026-11-23T00:00:00.000+00:00")


def test_the_list_tells_what_was_found_without_reading_a_result(visit):
    page, seen = visit
    tissue = {"task": "segmentation", "version": "1", "um_per_px": 0.5, "threshold": 0.5, "warnings": [],
              "areas": {"epithelium": {"mm2": 1, "fraction": 0.25}}}  # fmt: skip
    none = {"labels": {}, "undetermined": {}, "warned": 0, "image": None}
    words = [
        ("Glioma 98.75 %", none | {"labels": {"glioma": 1}, "image": FOUND}),
        ("Glioma 98.75 %, with warnings", none | {"warned": 1, "image": FOUND | {"warnings": ["several_regions"]}}),
        ("No answer", none | {"undetermined": {"not_an_mri": 1}, "image": UNNAMED}),
        ("Undetermined", none | {"undetermined": {"unlike": 1}, "image": UNNAMED | {"undetermined": "unlike"}}),
        ("25.0 % of the picture", none | {"image": tissue}),
        ("5 Glioma, 4 Meningioma, 3 No tumour, 3 of other classes, 3 without a class, 2 with warnings",
         none | {"warned": 2, "labels": {"glioma": 5, "meningioma": 4, "notumor": 3, "pituitary": 2, "x": 1},
                 "undetermined": {"a": 2, "b": 1}}),
        ("", none | {"image": {"task": "counting", "version": "1", "warnings": []}}),
        ("", None),
    ]  # fmt: skip
    progress = {"total": 1, "queued": 0, "running": 0, "succeeded": 1, "failed": 0}
    listed = [{"id": f"{number}", "state": "SUCCEEDED", "model": "brain_mri", "position": None, "progress": progress,
               "finding": finding, **TIMES} for number, (_, finding) in enumerate(words)]  # fmt: skip
    listed[-1].pop("finding")  # an older service
    page.route("**/v1/jobs", lambda route: route.fulfill(json={"jobs": listed, "next": None}))
    page.goto("/jobs")
    cells = page.locator("#jobs-rows tr td:last-child")
    expect(cells).to_have_count(len(words))
    for number, (text, _) in enumerate(words):
        expect(cells.nth(number)).to_contain_text(text)
    assert cells.nth(len(words) - 1).inner_text() == cells.nth(len(words) - 2).inner_text() == ""
    assert [each.url for each in seen.requests if "/v1/results/" in each.url] == []


def test_a_job_tells_what_was_found_before_its_results_are_read(visit):
    page, _ = visit
    images = [
        {"name": f"{number}.png", "state": "SUCCEEDED", "result": f"{number}" * 32, "finding": finding, "error": None}
        for number, finding in enumerate([FOUND, UNNAMED, None])
    ]
    job = {"id": "x", "state": "SUCCEEDED", "model": "brain_mri", "position": None, "parameters": {}, **TIMES,
           "links": {"self": "/v1/jobs/x", "model": "/v1/models/brain_mri"}, "images": images,
           "progress": {"total": 3, "queued": 0, "running": 0, "succeeded": 3, "failed": 0},
           "finding": {"labels": {"glioma": 1}, "undetermined": {"blank": 1}, "warned": 1, "image": None}}  # fmt: skip
    page.route("**/v1/jobs/x", lambda route: route.fulfill(json=job))
    page.route("**/v1/results/*", lambda _: None)  # they do not come
    page.goto("/jobs/x")
    expect(page.locator("#job-status")).to_have_text("Done: 3 pictures of 3, 1 without a class")
    links = page.locator("#image-rows a")
    expect(links).to_have_text(["Glioma 98.75 %", "No answer", "Result"])
