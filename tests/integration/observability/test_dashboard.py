"""The dashboard is one that Grafana can load: ids, places, sources, and its provisioning."""

import itertools

import pytest
import yaml

from tests.integration.observability.promql import DASHBOARDS, FOLDER, dashboard, panel_expressions, selectors

PROVISIONING = FOLDER / "grafana/provisioning"
COLUMNS = 24


@pytest.fixture(scope="module")
def panels():
    return dashboard()["panels"]


def test_the_provisioned_source_is_the_one_that_every_panel_asks(panels):
    (source,) = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text())["datasources"]
    asked = {(each["datasource"]["type"], each["datasource"]["uid"])
             for panel in panels for each in (panel, *panel["targets"])}  # fmt: skip
    assert asked == {(source["type"], source["uid"])}
    configuration = yaml.safe_load((FOLDER / "prometheus/prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == configuration["global"]["scrape_interval"]


def test_the_provider_reads_the_folder_that_is_mounted():
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/oncoserve.yaml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")
    assert len(DASHBOARDS) == 1


def test_panels_have_ids_and_titles_of_their_own(panels):
    for key in ("id", "title"):
        assert len({panel[key] for panel in panels}) == len(panels)
    assert all(isinstance(panel["id"], int) and panel["id"] > 0 for panel in panels)
    for panel in panels:
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_panels_do_not_overlap(panels):
    places = {panel["title"]: panel["gridPos"] for panel in panels}
    for title, place in places.items():
        assert place["x"] >= 0, title
        assert place["x"] + place["w"] <= COLUMNS, title
        assert place["w"] > 0, title
        assert place["h"] > 0, title
    for (one, a), (other, b) in itertools.combinations(places.items(), 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, f"{one} overlaps {other}"


def test_every_expression_reads_series():
    for title, expression in panel_expressions():
        assert selectors(expression), title
