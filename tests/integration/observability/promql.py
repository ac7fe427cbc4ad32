"""What the dashboard and the alerts ask of Prometheus."""

import json
import re

import yaml

from testbed.servers import PROJECT

FOLDER = PROJECT / "deploy/observability"
CONFIGURATION = FOLDER / "prometheus/prometheus.yml"
RULES = FOLDER / "prometheus/rules.yml"
DASHBOARDS = sorted((FOLDER / "grafana/dashboards").glob("*.json"))

QUOTED = r'"[^"]*"'
SELECTOR = re.compile(rf"\b(?:nv_\w+|oncoserve_\w+|up)\b(?:\{{(?:{QUOTED}|[^\"}}])*\}})?")
LANGUAGE = {"sum", "min", "by", "rate", "increase", "histogram_quantile", "le", "model", "stage", "status", "route",
            "code", "source", "reason", "state", "part", "cause", "changes", "and", "on", "instance", "gpu", "name",
            "e6", "m"}  # fmt: skip


def dashboard():
    (path,) = DASHBOARDS
    return json.loads(path.read_text())


def panel_expressions():
    """[(panel's title, expression)], with a minute for Grafana's $__rate_interval."""
    return [
        (panel["title"], target["expr"].replace("$__rate_interval", "1m"))
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    ]


def alerts():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def selectors(expression):
    """The series that an expression reads, as `name{matchers}`; fails on words that it does not know."""
    rest = SELECTOR.sub("", expression)
    unknown = set(re.findall(r"[A-Za-z_]\w*", rest)) - LANGUAGE
    assert not unknown, f"neither a known metric nor a word of PromQL: {unknown} in {expression}"
    return SELECTOR.findall(expression)
