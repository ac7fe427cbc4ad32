"""The page with a model of tissue: how it is asked, and what the service says of the same result."""

import json

import numpy as np
import shapely
from playwright.sync_api import Page

from testbed.servers import PROJECT
from tests.browser.reading import areas, result_id, settle, wait_for_answer, wait_for_objects

CARD = json.loads((PROJECT / "model_repository/he_tissue/card.json").read_text())
HE = PROJECT / "build/samples/he_tissue/he/histo.jpg"
UM_PER_PX = 0.7  # all three classes are seen at it, whatever the picture's true resolution


def choose(page: Page, um_per_px: object = "") -> None:
    page.get_by_role("radio", name=CARD["title"]).check()
    page.get_by_role("spinbutton", name="Micrometres per pixel").fill(str(um_per_px))


def ask(page: Page, picture: object = HE, um_per_px: object = UM_PER_PX) -> None:
    choose(page, um_per_px)
    page.set_input_files("#file", picture)
    wait_for_answer(page)
    settle(page)
    wait_for_objects(page)


def api(page: Page, **view: object) -> dict:
    return page.request.get(f"/v1/results/{result_id(page)}", params=view).json()


def api_areas(page: Page, **view: object) -> dict[str, dict[str, float]]:
    """What the service says, as far as the page shows it where the resolution is known."""
    found = api(page, **view)["areas"].items()
    return {name: {key: area[key] for key in ("mm2", "fraction")} for name, area in found}


def shown_areas(page: Page) -> dict[str, dict[str, float]]:
    return {name: {key: row[key] for key in ("mm2", "fraction")} for name, row in areas(page).items()}


def largest(page: Page) -> tuple[str, tuple[float, float]]:
    """The largest lumen: its title, and a point in it as parts of the picture."""
    features = page.request.get(f"/v1/results/{result_id(page)}/polygons.geojson").json()["features"]
    lumens = [each for each in features if each["properties"]["name"].startswith("lumen-")]
    shapes = [shapely.from_geojson(json.dumps(each["geometry"])) for each in lumens]
    index = int(np.argmax([shape.area for shape in shapes]))
    point = shapes[index].representative_point()
    image = api(page)["image"]
    title = lumens[index]["properties"]["name"].replace("lumen-", "Lumen ")
    return title, (point.x / image["width"], point.y / image["height"])
