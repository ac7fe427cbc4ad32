"""Networks of other people on the page, added by the command alone: a segmenter, a detector and one that outlines."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from testbed.encoded_pictures import encoded
from testbed.servers import PROJECT, FrontendServer, TritonServer
from tests.browser.reading import difference, result_id, served, set_threshold, settle, viewport, wait_for_answer
from tests.unit.model_export.own.graphs import detector, outliner, segmenter

ADDED = {
    "glands": (
        lambda path: segmenter(path, channels=3, side=96),
        ("segmentation", "background,gland,stroma", "--answers", "logits", "--title", "Somebody's glands"),
    ),
    "mitoses": (
        lambda path: detector(path, "yolov8"),
        ("detection", "mitosis,other", "--threshold", "0.4", "--title", "Somebody's mitoses"),
    ),
    "polyps": (
        outliner,
        ("delineation", "flat,raised,stalked", "--outlined", "polyp", "--title", "Somebody's polyps"),
    ),
}


@pytest.fixture(scope="module")
def own_models(embedded_triton, tmp_path_factory):
    """A frontend that serves what somebody added."""
    folder = tmp_path_factory.mktemp("own")
    for name, (graph, (task, classes, *said)) in ADDED.items():
        arguments = [str(graph(folder / f"{name}.onnx")), "--name", name, "--task", task, "--classes", classes, *said]
        command = [sys.executable, "-m", "oncoserve", "models", "add", *arguments, "--data", str(folder)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
    repository = folder / "model_repository"
    with (
        TritonServer(repository, folder) as triton,
        FrontendServer(
            triton.grpc_url, folder, model_repository=repository, results_dir=folder / "results", job_workers=1
        ) as server,
    ):
        yield server


def picture():
    """Bright, with patches of colour."""
    random = np.random.default_rng(2)
    coarse = random.integers(90, 256, (12, 16, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)


def ask(page, model):
    page.get_by_role("radio", name=f"Somebody's {model}").check()
    page.set_input_files("#file", {"name": "own.png", "mimeType": "image/png", "buffer": encoded(picture())})
    wait_for_answer(page)


def answer(page, threshold=None):
    asked = {} if threshold is None else {"params": {"threshold": threshold}}
    return page.request.get(f"/v1/results/{result_id(page)}", **asked).json()


def slide(page, threshold):
    """Move the slider of a task without objects of its own, and wait for the numbers."""
    with page.expect_response(f"**/v1/results/*?threshold={threshold}"):
        page.get_by_role("slider", name="Threshold").fill(str(threshold))
    settle(page)


def shown(page):
    """By class the number that the table shows first."""
    return {
        row.get_attribute("data-class"): float(row.locator(".number").first.get_attribute("title"))
        for row in page.locator("#bars tr").all()
    }


def test_a_strangers_segmentation_is_drawn_and_read_at_other_thresholds(visitor, own_models):
    page, seen = visitor.open(own_models)
    ask(page, "glands")
    for threshold in (None, 0.5, 0.9):
        if threshold is not None:
            set_threshold(page, threshold)
        assert shown(page) == {name: area["px"] for name, area in answer(page, threshold)["areas"].items()}
    assert answer(page)["areas"] != answer(page, 0.9)["areas"]
    drawn = viewport(page)
    page.get_by_label("Opacity").fill("0")
    settle(page)
    assert difference(drawn, viewport(page)) > 1  # the classes were on show
    assert len(seen.posts()) == 1


def test_a_strangers_boxes_are_drawn_and_counted_at_other_thresholds(visitor, own_models):
    page, seen = visitor.open(own_models)
    ask(page, "mitoses")
    counts = {}
    for threshold in (None, 0.1, 0.8):
        if threshold is not None:
            slide(page, threshold)
        counts[threshold] = answer(page, threshold)["counts"]
        assert shown(page) == counts[threshold]
    assert sum(counts[0.1].values()) > sum(counts[None].values()) > sum(counts[0.8].values())
    slide(page, 0.1)
    drawn = viewport(page)
    plain = served(page, f"/v1/results/{result_id(page)}/overlay.png?threshold=0.1")
    assert difference(drawn, plain) < 4  # the page draws what the file does
    assert len(seen.posts()) == 1


def test_a_strangers_outline_is_drawn_in_its_own_words(visitor, own_models):
    page, _ = visitor.open(own_models)
    ask(page, "polyps")
    expect(page.get_by_role("switch", name="Polyp outline")).to_be_checked()
    found = answer(page)
    title = next(each for each in ("Flat", "Raised", "Stalked") if each.lower() == found["label"])
    expect(page.locator("#answer-title")).to_contain_text(title.lower())
    assert found["localisation"]["area_px"] > 0
