import re
from pathlib import Path

from oncoserve.runtime.metrics import Metrics


def test_the_docs_name_every_series_and_no_other():
    exposed = re.findall(r"^# TYPE (oncoserve_\w+) ", Metrics().expose().decode(), re.MULTILINE)
    series = {name for name in exposed if not name.endswith("_created")}  # when a counter began: the library's own
    assert len(series) >= 8
    documented = set(re.findall(r"`(oncoserve_\w+)(?:\{[\w,]+\})?`", Path("docs/observability.md").read_text()))
    assert series == documented


def test_a_model_that_is_not_there_any_more_is_not_ready():
    metrics = Metrics()
    metrics.show_models({"a": True, "b": False})
    assert b'oncoserve_model_ready{model="a"} 1.0' in metrics.expose()
    assert b'oncoserve_canary_failures_total{model="b"} 0.0' in metrics.expose()
    metrics.show_models({"b": True})
    assert b'oncoserve_model_ready{model="a"} 0.0' in metrics.expose()
    assert b'oncoserve_model_ready{model="b"} 1.0' in metrics.expose()
