import time

import gevent
import pytest

from loadtest.load.pace import Pace


@pytest.fixture
def others():
    """Callables that tell whether anything else got to run since they were made, so whether somebody waited."""

    def watch():
        ran = []
        gevent.spawn(ran.append, True)
        return lambda: bool(ran)

    return watch


@pytest.mark.parametrize("callers", [5, 50])
def test_the_rate_does_not_depend_on_the_number_of_callers(callers):
    pace, sent, started = Pace(50), [], time.monotonic()

    def call():
        while True:
            pace.wait()
            sent.append(True)

    pace.start()
    greenlets = [gevent.spawn(call) for _ in range(callers)]
    gevent.sleep(0.4)
    with gevent.Timeout(60):  # seconds in which even a machine that stands still now and then catches up
        while len(sent) < 50 * (time.monotonic() - started) - 1:
            gevent.sleep(0.001)
    assert len(sent) <= 50 * (time.monotonic() - started) + 1
    gevent.killall(greenlets)


def test_moments_that_pass_while_nobody_is_free_are_owed(others):
    """So slow answers do not lower the rate."""
    pace = Pace(100)
    pace.start()
    gevent.sleep(0.2)
    waited = others()
    for _ in range(10):
        pace.wait()
    assert not waited()


def test_a_caller_waits_for_a_moment_that_has_not_come(others):
    pace = Pace(100)
    pace.start()
    pace.wait()
    waited = others()
    pace.wait()
    assert waited()


def test_without_a_rate_nobody_waits(others):
    pace = Pace()
    pace.start()
    waited = others()
    for _ in range(1000):
        pace.wait()
    assert not waited()
