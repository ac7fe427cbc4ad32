import time

import gevent
import pytest

from loadtest.pace import Pace


def ask(pace, callers, seconds, answer_s=0.0):
    """How many requests so many callers send in that time."""
    sent = []

    def call():
        while True:
            pace.wait()
            sent.append(time.monotonic())
            gevent.sleep(answer_s)

    pace.start()
    greenlets = [gevent.spawn(call) for _ in range(callers)]
    gevent.sleep(seconds)
    gevent.killall(greenlets)
    return len(sent)


@pytest.mark.parametrize("callers", [5, 50])
def test_the_rate_does_not_depend_on_the_number_of_callers(callers):
    assert 15 <= ask(Pace(50), callers, seconds=0.4) <= 21


def test_slow_answers_do_not_lower_the_rate():
    """20 callers with answers of 0.2 s could do 100/s; waiting for each answer after a pause they could not do 50."""
    assert 15 <= ask(Pace(50), 20, seconds=0.4, answer_s=0.2) <= 21


def test_what_was_missed_is_owed():
    pace = Pace(100)
    pace.start()
    gevent.sleep(0.2)
    started = time.monotonic()
    for _ in range(10):
        pace.wait()
    assert time.monotonic() - started < 0.05


def test_without_a_rate_nobody_waits():
    pace = Pace()
    pace.start()
    started = time.monotonic()
    for _ in range(1000):
        pace.wait()
    assert time.monotonic() - started < 0.5
