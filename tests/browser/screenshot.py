"""`python -m tests.browser.screenshot FILE`: takes the README's picture of the page with a result."""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.servers import PROJECT, FrontendServer, TritonServer

SIZE = {"width": 1200, "height": 1000}
SAMPLE = "Sample 2, labelled meningioma"


def main() -> None:
    """Start everything, ask about a sample, write the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshot", description=main.__doc__)
    parser.add_argument("file", type=Path, help="PNG to write")
    target = parser.parse_args().file
    path = chromium.find()
    if path is None:
        parser.error("chromium is not installed")
    with (
        tempfile.TemporaryDirectory() as folder,
        TritonServer(PROJECT / "model_repository", Path(folder)) as triton,
        FrontendServer(triton.grpc_url, Path(folder), results_dir=Path(folder) / "results") as frontend,
        sync_playwright() as playwright,
    ):
        page = chromium.launch(playwright.chromium, path).new_page(viewport=SIZE, color_scheme="light")
        page.goto(frontend.url)
        page.get_by_role("button", name=SAMPLE).click()
        page.locator("#answer").wait_for()
        page.wait_for_load_state("networkidle")
        shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    # 256 colours are enough for a grey picture on a plain page, and half the bytes.
    shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main()
