import pytest

from frontend.http import rate_limit
from frontend.http.rate_limit import RateLimit
from oncoserve.errors import TooManyRequests


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def taken(limit, caller, tries, per_min=None):
    """How many of so many tries are let in."""
    count = 0
    for _ in range(tries):
        try:
            limit.take(caller, per_min)
            count += 1
        except TooManyRequests:
            continue
    return count


def test_a_minutes_requests_at_once_and_then_evenly(clock):
    limit = RateLimit(60, clock=clock)
    assert taken(limit, "a", 100) == 60
    with pytest.raises(TooManyRequests, match="limit is 60 a minute; the next is allowed in 1 s") as refused:
        limit.take("a")
    assert refused.value.retry_after_s == 1
    clock.now += 1
    assert taken(limit, "a", 5) == 1
    clock.now += 10.5
    assert taken(limit, "a", 50) == 10
    clock.now += 3600
    assert taken(limit, "a", 100) == 60


def test_whoever_waits_as_told_is_let_in(clock):
    limit = RateLimit(7, clock=clock)
    for _ in range(50):
        try:
            limit.take("a")
        except TooManyRequests as refused:
            clock.now += refused.retry_after_s
            limit.take("a")


def test_callers_are_counted_apart_and_may_have_limits_of_their_own(clock):
    limit = RateLimit(10, clock=clock)
    assert taken(limit, "a", 20) == 10
    assert taken(limit, "b", 20, per_min=3) == 3
    assert taken(limit, "c", 20, per_min=0) == 20


def test_off_by_default(clock):
    assert taken(RateLimit(0, clock=clock), "a", 1000) == 1000


def test_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(rate_limit, "MAX_CALLERS", rate_limit.PLACES)
    limit = RateLimit(1, clock=clock)
    callers = [f"caller {number}" for number in range(rate_limit.PLACES)]
    for caller in callers:
        limit.take(caller)
        clock.now += 1
    with pytest.raises(TooManyRequests):
        limit.take(callers[0])
    limit.take("one more")  # takes the place of the one that would be free first
    assert taken(limit, callers[1], 1) == 0
    assert taken(limit, callers[0], 1) == 1


def test_processes_of_one_service_count_together(clock, tmp_path):
    one, another = RateLimit(10, tmp_path, clock), RateLimit(10, tmp_path, clock)
    assert taken(one, "a", 6) == 6
    assert taken(another, "a", 6) == 4
    assert taken(one, "a", 6) == 0
    assert taken(another, "b", 20) == 10
