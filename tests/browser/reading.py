"""What the page shows, read from the page."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect


def wait_for_answer(page: Page) -> None:
    page.locator("#answer").wait_for()


def bars(page: Page) -> dict[str, tuple[float, float]]:
    """By class: the number, and the length of the bar as a part of the rail as it is drawn."""
    rows = page.locator("#bars tr").all()
    found = {}
    for row in rows:
        rail, fill = (row.locator(part).bounding_box()["width"] for part in (".rail", ".fill"))
        found[row.get_attribute("data-class")] = (float(row.locator(".number").get_attribute("title")), fill / rail)
    return found


def areas(page: Page) -> dict[str, dict[str, float]]:
    """By class: the numbers of the table, and under `bar` the length of the bar as a part of the rail."""
    found = {}
    for row in page.locator("#bars tr").all():
        mm2, fraction = (float(cell.get_attribute("title")) for cell in row.locator(".number").all())
        rail, fill = (row.locator(part).bounding_box()["width"] for part in (".rail", ".fill"))
        found[row.get_attribute("data-class")] = {"mm2": mm2, "fraction": fraction, "bar": fill / rail}
    return found


def result_id(page: Page) -> str:
    return page.evaluate("location.hash").removeprefix("#result=")


def settle(page: Page) -> None:
    """Wait until the picture on show is the result's, and everything in sight is there and drawn."""
    page.locator("#pane").wait_for()
    page.wait_for_function(
        """() => !document.getElementById("viewport").hasAttribute("aria-busy")
            && document.getElementById("picture").hidden"""
    )
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def viewport(page: Page) -> NDArray[np.int64]:
    """The picture as it is on the screen, (H, W, 3), without the bar of the scale."""
    settle(page)
    return _shot(page)


def served(page: Page, path: str) -> NDArray[np.int64]:
    """What `viewport` would be if the picture were this one of the service's, up to half a pixel of the page."""
    settle(page)
    page.locator("#picture").evaluate("(image, to) => { image.src = to; return image.decode() }", path)
    page.evaluate("() => { picture.hidden = false; pane.parentElement.style.visibility = 'hidden'; }")
    shot = _shot(page)
    page.evaluate("() => { picture.hidden = true; pane.parentElement.style.visibility = ''; }")
    return shot


def _shot(page: Page) -> NDArray[np.int64]:
    page.mouse.move(0, 0)  # away from any object
    page.locator("#scale").evaluate("bar => { bar.style.visibility = 'hidden'; }")
    shot = page.locator("#viewport").screenshot(animations="disabled")
    page.locator("#scale").evaluate("bar => { bar.style.visibility = ''; }")
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(np.int64)


def difference(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Mean absolute difference per sample, 0-255."""
    return float(np.abs(one - other).mean())


def enter(page: Page, secret: str) -> None:
    """Give the page the key that it asks for."""
    dialog = page.get_by_role("dialog", name="An API key is needed")
    expect(dialog).to_be_visible()
    dialog.get_by_label("API key", exact=True).fill(secret)
    dialog.get_by_role("button", name="Use this key").click()
    return dialog
