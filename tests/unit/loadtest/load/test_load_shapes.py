import pytest

from loadtest.load.limits import Figures, RunLimits
from loadtest.load.load_shapes import ClosedLoop, FixedRate, Steps
from loadtest.load.pace import Pace

STEP_S = 10


def broken(load, met):
    return [each.text for each in load.judge(met) if not each.holds]


def climb(steps, pace, capacity, time_ms=5):
    """Feed a service that answers up to `capacity` requests/s; returns the rates that it was asked for."""
    rates, answered, elapsed_s = [], 0, 0
    while steps.look(elapsed_s, Figures(answered=answered, times_ms={"predict": {time_ms: answered}})):
        rates.append(pace.rate)
        elapsed_s += 1
        answered += min(pace.rate, capacity)
    return sorted(set(rates))


@pytest.mark.parametrize("seconds", [None, 5])
def test_a_closed_loop_runs_as_long_as_it_was_told(seconds):
    load = ClosedLoop(seconds, RunLimits())
    assert load.look(4.9, Figures())
    assert load.look(5.0, Figures()) is (seconds is None)


def test_a_fixed_rate_has_to_be_reached():
    load = FixedRate(10, RunLimits(), rate=4)
    load.look(10, Figures(answered=40))
    assert broken(load, Figures(answered=40)) == []
    assert broken(load, Figures(answered=20)) == ["rate: 2.00 of 4.00 requests/s, at least 90%"]


def test_steps_rise_until_the_service_does_not_follow():
    told = []
    pace = Pace(10)
    steps = Steps(None, RunLimits(), pace, 2, STEP_S, told.append)
    assert climb(steps, pace, capacity=50) == [10, 20, 40, 80]
    assert [verdict.text for verdict in steps.judge(Figures())] == ["capacity: 40.00 requests/s, p95 5 ms"]
    assert broken(steps, Figures()) == []
    assert [bool(step.broken) for step in told] == [False, False, False, True]


def test_steps_end_at_the_time_and_say_that_more_may_be_possible():
    pace = Pace(10)
    steps = Steps(25, RunLimits(), pace, 2, STEP_S, print)
    assert climb(steps, pace, capacity=50) == [10, 20, 40]
    assert [verdict.text for verdict in steps.judge(Figures())] == ["capacity: at least 20.00 requests/s, p95 5 ms"]


def test_a_first_step_that_breaks_a_limit_fails_the_run():
    pace = Pace(10)
    steps = Steps(None, RunLimits(max_p95_ms=4), pace, 2, STEP_S, print)
    assert climb(steps, pace, capacity=50) == [10]
    assert broken(steps, Figures()) == ["capacity: below the first step"]
    assert "p95 of the slowest kind: 5 ms, at most 4 ms" in str(steps.steps[0])
