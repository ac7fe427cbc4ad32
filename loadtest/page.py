"""`python -m loadtest.page`: from the answer of the API to the picture of the result on the page, in a real browser."""

import argparse
import statistics
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from testbed import chromium

# The end of the answer by the browser's own clock, and the first frame after the result is on show.
PAINTED = """() => new Promise((resolve) => {
    const answer = document.getElementById("answer");
    const seen = () => requestAnimationFrame(() => requestAnimationFrame((now) => resolve(now)));
    if (!answer.hidden) return seen();
    new MutationObserver((_, watch) => answer.hidden || (watch.disconnect(), seen()))
        .observe(answer, { attributes: true });
})"""
ANSWERED = """() => performance.getEntriesByType("resource")
    .filter(({ name }) => name.endsWith("/predict")).at(-1).responseEnd"""
TRANSFERRED = """() => [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource")]
    .filter(({ name }) => !name.includes("/v1/")).reduce((sum, { transferSize }) => sum + transferSize, 0)"""


def measure(page: Page, picture: Path) -> float:
    """Milliseconds between the two, on a fresh page."""
    page.goto("/", wait_until="networkidle")
    painted = page.evaluate_handle(f"() => {{ window.painted = ({PAINTED})() }}")
    page.set_input_files("#file", picture)
    at = float(page.evaluate("() => window.painted"))
    painted.dispose()
    return at - float(page.evaluate(ANSWERED))


def main() -> None:
    """Measure a running service and print one line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.page", description=main.__doc__)
    parser.add_argument("picture", type=Path, help="PNG or JPEG, such as one of 512 x 512 pixels")
    parser.add_argument("--url", default="http://localhost:5000", help="the service")
    parser.add_argument("--times", type=int, default=20, help="pages opened")
    arguments = parser.parse_args()
    path = chromium.find()
    if path is None:
        parser.error("chromium is not installed")
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright.chromium, path)
        page = browser.new_page(base_url=arguments.url)
        page.goto("/", wait_until="networkidle")
        kilobytes = page.evaluate(TRANSFERRED) / 1000
        taken = sorted(measure(page, arguments.picture) for _ in range(arguments.times))
        browser.close()
    print(
        f"page: {kilobytes:.0f} kB transferred; answer to page, {len(taken)} times: "
        f"median {statistics.median(taken):.0f} ms, worst {taken[-1]:.0f} ms"
    )


if __name__ == "__main__":
    main()
