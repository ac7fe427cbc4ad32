import re
from pathlib import Path

from oncoserve.runtime.metrics import Metrics


def test_the_docs_name_every_series_and_no_other():
    exposed = re.findall(r"^# TYPE (oncoserve_\w+) ", Metrics().expose().decode(), re.MULTILINE)
    series = {name for name in exposed if not name.endswith("_created")}  # when a counter began: the library's own
    assert len(series) >= 8
    documented = set(re.findall(r"`(oncoserve_\w+)(?:\{[\w,]+\})?`", Path("docs/observability.md").read_text()))
    assert series == documented
