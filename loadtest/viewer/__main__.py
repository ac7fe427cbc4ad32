"""`python -m loadtest.viewer`: how quick the page's viewer is, in Debian's Chromium, and what it costs the frontend.

1. A picture of 512x512: from the API's answer to the words, and to picture and layer on the page.
2. A picture of 1 megapixel: from a slider's event to the frame with the new picture, and that it is another picture.
3. A picture of 100 megapixels: the first tile, the following ones, zooming in to its pixels, the frontend's memory.

Starts its own Triton and frontend on free ports of 127.0.0.1, and ends by itself.
"""

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from loadtest.viewer import viewer_times
from testbed import chromium
from testbed.servers import PROJECT, FrontendServer, TritonServer


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.viewer", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--megapixels", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1, help="processes of the frontend")
    given = parser.parse_args()
    path = chromium.find()
    if path is None:
        parser.error("chromium is not installed")
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    with (
        tempfile.TemporaryDirectory() as folder,
        TritonServer(PROJECT / "model_repository", Path(folder)) as triton,
        FrontendServer(
            triton.grpc_url, Path(folder), results_dir=Path(folder) / "results", workers=given.workers
        ) as frontend,
        sync_playwright() as playwright,
    ):
        browser = chromium.launch(playwright.chromium, path)
        viewer_times.first_result(browser, frontend, given.rounds)
        viewer_times.sliders(browser, frontend, given.rounds)
        viewer_times.large(browser, frontend, given.megapixels)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
