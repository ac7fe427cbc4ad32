"""The alert rules, judged by Prometheus' own promtool."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from testbed.servers import PROJECT
from tests.integration.observability.promql import CONFIGURATION, RULES, alerts

CASES = Path(__file__).with_name("rules_test.yml")
NAMES = [alert["alert"] for alert in alerts()]


@pytest.mark.parametrize(
    ("verb", "path"), [("check config", CONFIGURATION), ("check rules", RULES), ("test rules", CASES)]
)
def test_promtool_agrees(prometheus_programs, verb, path):
    done = subprocess.run(["promtool", *verb.split(), path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_promtool_would_notice(prometheus_programs, tmp_path):
    """The cases fail with rules whose thresholds are another: promtool really compares."""
    (tmp_path / "rules.yml").write_text(RULES.read_text().replace("> 0.05", "> 0.2"))
    cases = tmp_path / CASES.name
    cases.write_text(CASES.read_text().replace("../../../deploy/observability/prometheus/rules.yml", "rules.yml"))
    done = subprocess.run(["promtool", "test", "rules", cases], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert set(re.findall(r"alertname: (\w+)", done.stderr + done.stdout)) == {"ErrorRatio", "Rejected"}


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_case_where_it_fires_and_one_where_it_does_not(name):
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]]
    assert {bool(case["exp_alerts"]) for case in cases if case["alertname"] == name} == {True, False}


@pytest.mark.parametrize("alert", alerts(), ids=NAMES)
def test_every_alert_says_what_to_do(alert):
    assert alert["labels"]["severity"] in {"critical", "warning"}
    notes = alert["annotations"]
    assert notes["summary"]
    assert notes["description"]
    page, anchor = notes["runbook_url"].split("#")
    headings = re.findall(r"^#+ (.+)$", (PROJECT / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert anchor == alert["alert"].lower()
