import pytest

from loadtest.soak import soak_report
from loadtest.soak.traffic import Tally
from loadtest.soak.trends import Slopes, trends
from tests.unit.loadtest.soak.leaks import MINUTES, samples


@pytest.mark.parametrize(("leak", "errors", "wrong"), [(0, 0, 0), (90, 0, 1), (0, 2, 1), (90, 2, 2)])
def test_the_report_says_what_is_wrong(tmp_path, leak, errors, wrong):
    tally, seen = Tally(), samples(mib_per_hour=leak)
    tally.add("page", "200")
    for _ in range(errors):
        tally.add("page", "500", "expected 200")
    assert len(soak_report.write(tmp_path, MINUTES, tally, seen, trends(seen), Slopes())) == wrong
    text = (tmp_path / "soak.md").read_text()
    assert ("passed" in text, "failed" in text) == (wrong == 0, wrong > 0)
    assert ("page: 500: expected 200" in text) is (errors > 0)
    assert len((tmp_path / "soak.csv").read_text().splitlines()) == 1 + len(seen)
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
