import pytest

from loadtest.soak.trends import Sample, Slopes, trends
from tests.unit.loadtest.soak.leaks import TIMES_S, samples


def broken(found):
    (trend,) = trends(found)
    return Slopes().broken(trend)


def test_slopes_leave_out_the_warm_up():
    (trend,) = trends(samples(mib_per_hour=50, files_per_hour=12))
    assert trend.memory.per_hour == pytest.approx(50, abs=8)
    assert trend.files.per_hour == pytest.approx(12, abs=1)
    assert (trend.first.at_s, trend.last.at_s) == (0, TIMES_S[-1])


def test_flat_is_passed():
    assert broken(samples()) == []
    assert broken(samples(mib_per_hour=-500)) == []


@pytest.mark.parametrize(("leak", "word"), [({"mib_per_hour": 90}, "memory"), ({"files_per_hour": 30}, "open files")])
def test_a_leak_is_caught(leak, word):
    (text,) = broken(samples(**leak))
    assert text.startswith(f"frontend: {word} rise")


def test_a_rise_that_amounts_to_nothing_is_noise():
    """2 MiB within a minute and a half would be 80 an hour."""
    short = [Sample(at_s, "frontend", 100 + at_s / 45, 30) for at_s in range(0, 120, 5)]
    assert trends(short)[0].memory.per_hour > Slopes().mib_per_hour
    assert broken(short) == []


def test_each_process_has_its_own_trend():
    mixed = sorted([*samples(mib_per_hour=200), *samples(process="tritonserver")], key=lambda sample: sample.at_s)
    verdicts = {trend.process: bool(Slopes().broken(trend)) for trend in trends(mixed)}
    assert verdicts == {"frontend": True, "tritonserver": False}
