"""The layout of the main states, compared with stored pictures of it: `pytest ... --update-screenshots` takes new ones.

A stored picture has a grey level for each 20 by 20 pixels of the screen: enough to see that a part is missing, moved or
of another colour, and too little to see how a machine draws letters. The letters come from a file, since with another
font lines break elsewhere and move what is below; and each is as wide as its outline, since a machine that fits
outlines to pixels makes some wider. Pictures of patients and tissue are painted over.
"""

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.jobs import wait_until_done
from tests.browser.reading import result_id, settle, wait_for_answer
from tests.browser.test_flow import held

GOLDEN = Path(__file__).parent / "golden"
CELL = 20  # pixels of the screen
WIDE, NARROW = (1200, 900), (400, 900)
PICTURES_IN_SIGHT = """() => [...document.images].every((image) => {
    const { top, bottom, width } = image.getBoundingClientRect();
    return !width || bottom < 0 || top > innerHeight || (image.complete && image.naturalWidth);
})"""
FONTS = Path(find_spec("matplotlib").origin).parent / "mpl-data/fonts/ttf"  # it ships them: the same ones everywhere
PINNED = """
@font-face { font-family: pinned; src: url("/pinned/DejaVuSans.ttf"); }
@font-face { font-family: pinned; font-weight: 600 900; src: url("/pinned/DejaVuSans-Bold.ttf"); }
*, ::before, ::after { font-family: pinned !important; text-rendering: geometricPrecision !important; }
"""
FONTS_ARE_THERE = """async () => {
    await document.fonts.ready;
    return [...document.fonts].every(({ family, status }) => family === "pinned" && status === "loaded");
}"""
MEAN, WORST = 2.0, 20.0  # greatest differences of a layout that is the same, in grey levels of 255


@pytest.fixture
def opened(visitor, frontend):
    """Opens the page with the pinned fonts; what it gets replaces `%s`, the page's own style, in another style."""

    def style(route, broken):
        own = route.fetch()
        route.fulfill(response=own, body=broken.replace("%s", own.text()) + PINNED)

    def open_it(size, scheme, broken="%s"):
        viewport = dict(zip(("width", "height"), size, strict=True))
        looks = {"viewport": viewport, "color_scheme": scheme, "reduced_motion": "reduce"}
        page, _ = visitor.new(frontend, **looks, bypass_csp=True)  # the page's policy allows no fonts
        page.route("**/style.css", lambda route: style(route, broken))
        page.route("**/pinned/*", lambda route: route.fulfill(path=FONTS / route.request.url.rpartition("/")[2]))
        page.goto("/")
        return page

    return open_it


def start(page, _):
    expect(page.locator("#empty")).to_be_visible()


def answer(page, samples):
    page.set_input_files("#file", samples["meningioma"])
    wait_for_answer(page)
    settle(page)


def report(page, samples):
    answer(page, samples)
    page.goto(f"/results/{result_id(page)}")


def job(page, samples):
    page.set_input_files("#file", [held(samples["glioma"]), held(samples["notumor"])])
    page.wait_for_url("**/jobs/*")
    wait_until_done(page)


def layout(page: Page) -> NDArray[np.float64]:
    """Mean grey level of each cell of the screen, 0-255."""
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function(PICTURES_IN_SIGHT)
    assert page.evaluate(FONTS_ARE_THERE), "the fonts did not load"
    hidden = [page.locator("#viewport"), page.locator(".pictures img"), page.locator("#images img")]
    shot = Image.open(io.BytesIO(page.screenshot(animations="disabled", mask=hidden, mask_color="#808080")))
    small = shot.convert("L").resize((shot.width // CELL, shot.height // CELL), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64)


def differences(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    """Of the mean cell, and of the one in a hundred that differs most."""
    apart = np.abs(one - other)
    return float(apart.mean()), float(np.percentile(apart, 99))


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
@pytest.mark.parametrize("state", [start, answer, report, job])
def test_layout_is_the_stored_one(opened, samples, request, state, size, scheme):
    page = opened(size, scheme)
    state(page, samples)
    found = layout(page)
    path = GOLDEN / f"{state.__name__}-{size[0]}-{scheme}.png"
    if request.config.getoption("--update-screenshots"):
        GOLDEN.mkdir(exist_ok=True)
        Image.fromarray(found.round().astype(np.uint8)).save(path, optimize=True)
    stored = np.asarray(Image.open(path), dtype=np.float64)
    mean, worst = differences(found, stored)
    assert mean < MEAN, f"{path.name}: {mean:.1f}; if it has to look like this, take new ones: --update-screenshots"
    assert worst < WORST, f"{path.name}: {worst:.1f} in a hundredth of the cells"


@pytest.mark.parametrize(
    "broken",
    ["", "%s .layout { grid-template-columns: minmax(0, 1fr) 20rem; } .side { order: 2; }",
     "%s .input { display: none; }", "%s :root { --panel: #99a; }"],
)  # fmt: skip
def test_a_broken_layout_is_seen(opened, broken):
    page = opened(WIDE, "light", broken)
    expect(page.locator("#empty")).to_be_visible()
    mean, worst = differences(layout(page), np.asarray(Image.open(GOLDEN / "start-1200-light.png"), dtype=np.float64))
    assert mean > MEAN or worst > WORST
