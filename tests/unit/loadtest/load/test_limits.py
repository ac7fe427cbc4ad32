import pytest

from loadtest.load.limits import Figures, RunLimits, judge_rate, percentile_95

MET = Figures(answered=100, failed=2, refused=25, times_ms={"quick": {1: 95, 9: 5}, "slow": {100: 10, 500: 1}})


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        (RunLimits(0.02, 0.2, 100, 500), []),
        (RunLimits(0.01, 0.2, 100, 500), ["failed: 2.00% of 100 answered, at most 1.00%"]),
        (RunLimits(0.02, 0.1, 100, 500), ["refused: 20.00% of 125 sent, at most 10.00%"]),
        (RunLimits(0.02, 0.2, 101, 500), ["answered: 100 requests, at least 101"]),
        (RunLimits(0.02, 0.2, 100, 499), ["p95 of the slowest kind: 500 ms, at most 499 ms"]),
        (RunLimits(0.02, 0.2, 100, None), []),
    ],
)
def test_each_limit_alone_is_broken_by_one_too_much(limits, broken):
    assert [each.text for each in limits.judge(MET) if not each.holds] == broken


def test_nothing_answered_breaks_the_default_limits():
    assert [each.text for each in RunLimits().judge(Figures()) if not each.holds] == [
        "answered: 0 requests, at least 1"
    ]


@pytest.mark.parametrize(
    ("counts", "expected"), [({}, 0), ({7: 1}, 7), ({1: 95, 2: 5}, 1), ({1: 94, 2: 6}, 2), ({9: 1, 1: 18}, 9)]
)
def test_nearest_rank_percentile(counts, expected):
    assert percentile_95(counts) == expected


def test_figures_of_a_span_leave_out_what_was_before():
    later = Figures(110, 3, 30, {"quick": {1: 95, 9: 14}, "slow": {100: 10, 500: 1}, "new": {4: 1}})
    assert later.since(MET) == Figures(10, 1, 5, {"quick": {9: 9}, "slow": {}, "new": {4: 1}})


@pytest.mark.parametrize(("answered", "holds"), [(90, True), (89, False)])
def test_the_rate_counts_answered_and_refused(answered, holds):
    assert judge_rate(Figures(answered=answered - 10, refused=10), seconds=10, asked_per_s=10).holds is holds


@pytest.mark.parametrize(("slow_ms", "holds"), [(900, False), (1000, True), (9000, False)])
def test_what_is_on_its_way_does_not_lower_the_rate(slow_ms, holds):
    """At 10/s for 10 s with answers after a second, the last ten are not there yet; a stall is not excused."""
    answered = 81 if slow_ms <= 1000 else 44
    met = Figures(answered=answered, times_ms={"predict": {slow_ms: answered}})
    assert judge_rate(met, seconds=10, asked_per_s=10).holds is holds
