"""`python -m tests.browser.screenshot MODEL FILE`: takes the documentation's pictures of the page with a result."""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from testbed import chromium
from testbed.servers import PROJECT, FrontendServer, TritonServer
from tests.browser.reading import settle, wait_for_answer

SIZE = {"width": 1200, "height": 1000}


def ask_brain_mri(page: Page) -> None:
    """A picture whose class is known."""
    page.get_by_role("button", name="Sample 2, labelled meningioma").click()


def ask_brain_tumour(page: Page) -> None:
    """A picture whose class is known, of the model that outlines."""
    page.get_by_role("radio", name="Brain MRI tumour delineation").check()
    page.get_by_role("button", name="Sample 2, labelled meningioma").click()


def ask_he_tissue(page: Page) -> None:
    """A picture that says its resolution, and in which all classes are seen."""
    page.get_by_role("radio", name="H&E tissue").check()
    page.get_by_role("button", name="Sample 1, H&E").click()


ASK = {"brain_mri": ask_brain_mri, "brain_tumour": ask_brain_tumour, "he_tissue": ask_he_tissue}


def main() -> None:
    """Start everything, ask about a sample, write the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshot", description=main.__doc__)
    parser.add_argument("model", choices=ASK, help="what to ask")
    parser.add_argument("file", type=Path, help="PNG to write")
    arguments = parser.parse_args()
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
        ASK[arguments.model](page)
        wait_for_answer(page)
        settle(page)
        shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    # 256 colours are enough for one picture on a plain page, and half the bytes.
    shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(arguments.file, optimize=True)


if __name__ == "__main__":
    main()
