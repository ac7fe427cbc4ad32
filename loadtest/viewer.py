"""`python -m loadtest.viewer`: how quick the page's viewer is, in Debian's Chromium, and what it costs the frontend.

1. A picture of 512x512: from the API's answer to the words, and to picture and layer on the page.
2. A picture of 1 megapixel: from a slider's event to the frame with the new picture, and that it is another picture.
3. A picture of 100 megapixels: the first tile, the following ones, zooming in to its pixels, the frontend's memory.

Starts its own Triton and frontend on free ports of 127.0.0.1, and ends by itself.
"""

import argparse
import io
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from testbed import chromium
from testbed.servers import PROJECT, FrontendServer, TritonServer

SLIDE = PROJECT / "build/samples/he_tissue/slide/cmu_small_region.svs"
MRI = PROJECT / "build/samples/brain_mri/glioma"
WINDOW = {"width": 1300, "height": 1000}
TITLE = "H&E tissue segmentation"
MIB = 2**20

# When the answer came, when its words were there, and when everything in sight was drawn; milliseconds of the page.
WATCH = """() => {
    window.marks = {};
    const note = (name) => { marks[name] = performance.now(); };
    const watch = (id, name, there) => new MutationObserver(() => there(document.getElementById(id)) && note(name))
        .observe(document.getElementById(id), { attributes: true });
    watch("answer", "words", (each) => !each.hidden);
    watch("viewport", "picture", (each) => !each.hasAttribute("aria-busy"));
}"""
ANSWER_MS = """() => performance.getEntriesByType("resource")
    .filter((each) => each.name.endsWith("/predict")).at(-1).responseEnd"""
MOVE = """async ([id, value]) => {
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
    return performance.now() - start;
}"""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--megapixels", type=int, default=100)
    given = parser.parse_args()
    path = chromium.find()
    if path is None:
        parser.error("chromium is not installed")
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    with (
        tempfile.TemporaryDirectory() as folder,
        TritonServer(PROJECT / "model_repository", Path(folder)) as triton,
        FrontendServer(triton.grpc_url, Path(folder), results_dir=Path(folder) / "results") as frontend,
        sync_playwright() as playwright,
    ):
        browser = chromium.launch(playwright.chromium, path)
        first_result(browser, frontend, given.rounds)
        sliders(browser, frontend, given.rounds)
        large(browser, frontend, given.megapixels)
        browser.close()
    return 0


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
        page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": png(pixels ^ turn)})
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
    page = opened(browser, frontend, f"/#result={tissue(frontend, crop(1), 0.499)}")
    page.get_by_role("slider", name="Threshold").wait_for()
    wait_until_drawn(page)
    for name, values in (("threshold", (0.2, 0.8)), ("opacity", (30, 70))):
        times = [page.evaluate(MOVE, [name, values[turn % 2]]) for turn in range(2 * rounds)]
        tell(f"1 megapixel, {name} slider to picture", times)
    page.close()


def large(browser: Browser, frontend: FrontendServer, megapixels: int) -> None:
    """Print times and memory for a large picture."""
    process = psutil.Process(frontend.pid)
    result = tissue(frontend, crop(megapixels), 0.1)
    tiles = f"{frontend.url}/v1/results/{result}/tiles/image"
    before = process.memory_info().rss
    with httpx.Client(timeout=120) as http:
        levels = http.get(f"{frontend.url}/v1/results/{result}/tiles").json()["levels"]
        start = time.perf_counter()
        http.get(f"{tiles}/0/0_0").raise_for_status()
        print(f"{megapixels} megapixels, first tile: {time.perf_counter() - start:.2f} s")
        times = []
        for index in range(20):
            start = time.perf_counter()
            http.get(f"{tiles}/{levels - 1}/{index % 5}_{index // 5}").raise_for_status()
            times.append(1000 * (time.perf_counter() - start))
        tell(f"{megapixels} megapixels, following tiles", times)
    page = opened(browser, frontend, f"/#result={result}")
    wait_until_drawn(page)
    start = time.perf_counter()
    page.get_by_role("button", name="1:1").click()
    wait_until_drawn(page)
    print(f"{megapixels} megapixels, whole picture to its pixels: {time.perf_counter() - start:.2f} s")
    peak = next(int(line.split()[1]) for line in status(process) if line.startswith("VmHWM"))
    rss = process.memory_info().rss
    print(f"frontend's memory: {before / MIB:.0f} MiB before, {rss / MIB:.0f} after, {peak / 1024:.0f} at most")
    page.close()


def status(process: psutil.Process) -> list[str]:
    """The kernel's account of a process."""
    return Path(f"/proc/{process.pid}/status").read_text().splitlines()


def tissue(frontend: FrontendServer, picture: bytes, um_per_px: float) -> str:
    """Ask he_tissue; the result's id."""
    address = f"{frontend.url}/v1/models/he_tissue/predict"
    answer = httpx.post(address, files={"image": picture}, data={"um_per_px": um_per_px}, timeout=600)
    return str(answer.raise_for_status().json()["id"])


def crop(megapixels: int) -> bytes:
    """A square of repeated tissue, as JPEG."""
    side = round((megapixels * 1e6) ** 0.5)
    with Image.open(SLIDE) as slide:
        pixels = np.asarray(slide.convert("RGB"))
    times = -(-side // pixels.shape[0]), -(-side // pixels.shape[1])
    buffer = io.BytesIO()
    Image.fromarray(np.tile(pixels, (*times, 1))[:side, :side]).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def tell(what: str, times_ms: list[float]) -> None:
    """Print median and worst."""
    print(
        f"{what}: median {statistics.median(times_ms):.0f} ms, at most {max(times_ms):.0f} ms ({len(times_ms)} times)"
    )


if __name__ == "__main__":
    sys.exit(main())
