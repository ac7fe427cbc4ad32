"""What the page shows, read from the page."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

PATIENCE_MS = 60_000  # for whatever the page does; only a test that fails waits that long


def wait_for_answer(page: Page) -> None:
    """Wait until the answer is there, and what another model says about the same picture, where there is one."""
    page.locator("#answer").wait_for()
    expect(page.locator("#comparison")).not_to_have_attribute("aria-busy", "true")


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


# What an action changes is drawn in a later frame, a movement in several: only a picture that stays is the end of it.
AT_REST = """async (patience) => {
    const [viewport, picture, pane] = ["viewport", "picture", "pane"].map((id) => document.getElementById(id));
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const drawn = () => [...viewport.querySelectorAll("canvas")].map((each) => each.toDataURL()).join();
    const end = performance.now() + patience;
    let before = null;
    while (performance.now() < end) {
        await frame();
        await frame();
        const there = !viewport.hasAttribute("aria-busy") && picture.hidden && !pane.hidden;
        const now = there ? drawn() : null;
        if (there && now === before) return true;
        before = now;
    }
    return false;
}"""


def settle(page: Page) -> None:
    """Wait until the picture on show is the result's, everything in sight is there and drawn, and nothing moves."""
    assert page.evaluate(AT_REST, PATIENCE_MS), "the picture did not come to rest"


def wait_for_objects(page: Page) -> None:
    """Wait until the objects of the result, at the threshold on show, are there, if it has any."""
    expect(page.locator("#objects")).not_to_have_attribute("inert", "")


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


def set_threshold(page: Page, threshold: float) -> None:
    """Move the slider and wait until the numbers and the objects for it are there."""
    with page.expect_response(f"**/polygons.geojson?threshold={threshold}&**"):
        page.get_by_role("slider", name="Threshold").fill(str(threshold))
    wait_for_objects(page)
    settle(page)
