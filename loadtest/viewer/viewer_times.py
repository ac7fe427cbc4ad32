"""The measurements of `python -m loadtest.viewer`, each in a page of its own."""

import itertools
import math
import statistics
import time
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize

from loadtest.shared.process_family import Family, MemoryWatch
from loadtest.shared.slide_pictures import UM_PER_PX, quick_png, tiled
from oncoserve.runtime.sharing import FOLDER_VARIABLE
from testbed.servers import PROJECT, FrontendServer

MRI: Final = PROJECT / "build/samples/brain_mri/glioma"
WINDOW: Final = ViewportSize(width=1300, height=1000)
_QUALITY: Final = 85  # of the JPEG files
_FOLLOWING: Final = (("width", 5), ("height", 4))  # tiles across and down that follow the first, if there are as many

# When the answer came, when its words were there, and when everything in sight was drawn; milliseconds of the page.
WATCH: Final = """() => {
    window.marks = {};
    const note = (name) => { marks[name] = performance.now(); };
    const watch = (id, name, there) => new MutationObserver(() => there(document.getElementById(id)) && note(name))
        .observe(document.getElementById(id), { attributes: true });
    watch("answer", "words", (each) => !each.hidden);
    watch("viewport", "picture", (each) => !each.hasAttribute("aria-busy"));
}"""
ANSWER_MS: Final = """() => performance.getEntriesByType("resource")
    .filter((each) => each.name.endsWith("/predict")).at(-1).responseEnd"""
MOVE: Final = """async ([id, value]) => {
    const canvas = document.querySelector("#pane canvas");
    const sum = () => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.reduce((one, other) => one + other, 0);
    };
    const frame = () => new Promise(requestAnimationFrame);
    const before = sum();
    const slider = document.getElementById(id);
    const start = performance.now();
    slider.value = value;
    slider.dispatchEvent(new InputEvent("input", { bubbles: true }));
    do await frame(); while (sum() === before && performance.now() - start < 2000);
    if (sum() === before) throw new Error(`the picture is the same 2 s after the slider ${id} moved`);
    return performance.now() - start;
}"""


def opened(browser: Browser, frontend: FrontendServer, path: str = "/") -> Page:
    """The page, watched."""
    page = browser.new_page(viewport=WINDOW, reduced_motion="reduce")
    page.set_default_timeout(120_000)
    page.goto(f"{frontend.url}{path}")
    page.evaluate(WATCH)
    return page


def wait_until_drawn(page: Page) -> None:
    """Wait until everything in sight is there."""
    page.wait_for_function(
        "() => document.getElementById('picture').hidden && !document.getElementById('pane').hidden"
        " && !document.getElementById('viewport').hasAttribute('aria-busy')"
    )


def first_result(browser: Browser, frontend: FrontendServer, rounds: int) -> None:
    """Print the times from the API's answer to words and picture, for new pictures of 512x512."""
    words, picture = [], []
    with Image.open(next(MRI.glob("*.jpg"))) as image:
        pixels = np.asarray(image.convert("RGB").resize((512, 512)))
    page = opened(browser, frontend)
    for turn in range(rounds):
        variant = pixels.copy()
        variant[0, 0] = turn % 256, turn // 256, 0  # another picture, so that no stored result answers
        page.set_input_files("#file", FilePayload(name="a.png", mimeType="image/png", buffer=quick_png(variant)))
        page.wait_for_function("() => marks.words && !document.getElementById('answer').hidden")
        wait_until_drawn(page)
        answer, marks = page.evaluate(ANSWER_MS), page.evaluate("() => marks")
        words.append(marks["words"] - answer)
        picture.append(marks["picture"] - answer)
        page.evaluate("() => { marks = {}; }")
    tell("512x512, answer to words", words)
    tell("512x512, answer to picture", picture)
    page.close()


def sliders(browser: Browser, frontend: FrontendServer, rounds: int) -> None:
    """Print the times from a slider's event to the frame that shows it, at 1 megapixel."""
    result = tissue(frontend, tiled(1, "JPEG", quality=_QUALITY), UM_PER_PX)
    page = opened(browser, frontend, f"/#result={result}")
    page.get_by_role("slider", name="Threshold").wait_for()
    wait_until_drawn(page)
    for name, values in (("threshold", (0.2, 0.8)), ("opacity", (30, 70))):
        times = [page.evaluate(MOVE, [name, values[turn % 2]]) for turn in range(2 * rounds)]
        tell(f"1 megapixel, {name} slider to picture", times)
    page.close()


def large(browser: Browser, frontend: FrontendServer, megapixels: int) -> None:
    """Print times and memory for a large picture; each tile comes by a connection of its own, to any process."""
    result = tissue(frontend, tiled(megapixels, "JPEG", quality=_QUALITY), 0.1)
    tiles = f"{frontend.url}/v1/results/{result}/tiles/image"
    before_mib = memory_mib(frontend)
    described = httpx.get(f"{frontend.url}/v1/results/{result}/tiles", timeout=120).raise_for_status().json()
    columns, rows = (min(count, math.ceil(described[side] / described["tile"])) for side, count in _FOLLOWING)
    with MemoryWatch(Family(frontend.pid)) as watch:
        start = time.perf_counter()
        httpx.get(f"{tiles}/0/0_0", timeout=120).raise_for_status()
        print(f"{megapixels} megapixels, first tile: {time.perf_counter() - start:.2f} s")
        times = []
        for place in itertools.product(range(columns), range(rows)):
            start = time.perf_counter()
            httpx.get(f"{tiles}/{described['levels'] - 1}/{place[0]}_{place[1]}", timeout=120).raise_for_status()
            times.append(1000 * (time.perf_counter() - start))
        tell(f"{megapixels} megapixels, following tiles", times)
        page = opened(browser, frontend, f"/#result={result}")
        wait_until_drawn(page)
        start = time.perf_counter()
        page.get_by_role("button", name="1:1").click()
        wait_until_drawn(page)
        print(f"{megapixels} megapixels, whole picture to its pixels: {time.perf_counter() - start:.2f} s")
    after_mib, most_mib = memory_mib(frontend), watch.peak_mib + shared_mib(frontend)
    print(f"frontend's memory: {before_mib:.0f} MiB before, {after_mib:.0f} after, {most_mib:.0f} at most")
    page.close()


def memory_mib(frontend: FrontendServer) -> float:
    """Of all processes of a frontend, with what they share in memory, in MiB."""
    return Family(frontend.pid).memory_mib() + shared_mib(frontend)


def shared_mib(frontend: FrontendServer) -> float:
    """Files in memory that the processes of a frontend share, in MiB."""
    folder = Path(psutil.Process(frontend.serving_pid).environ()[FOLDER_VARIABLE])
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def tissue(frontend: FrontendServer, picture: bytes, um_per_px: float) -> str:
    """Ask he_tissue; the result's id."""
    address = f"{frontend.url}/v1/models/he_tissue/predict"
    answer = httpx.post(address, files={"image": picture}, data={"um_per_px": um_per_px}, timeout=600)
    return str(answer.raise_for_status().json()["id"])


def tell(what: str, times_ms: list[float]) -> None:
    """Print median and worst."""
    print(
        f"{what}: median {statistics.median(times_ms):.0f} ms, at most {max(times_ms):.0f} ms ({len(times_ms)} times)"
    )
