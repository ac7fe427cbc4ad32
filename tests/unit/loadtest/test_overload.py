import pytest

from loadtest.overload import percentile, rate_of
from testbed.http_callers import Reply


def answers(*ended):
    return [Reply(200, at - 1, 1.0) for at in ended]


def test_the_rate_is_a_slope():
    assert rate_of(answers(1.0, 1.5, 2.0, 2.5)) == pytest.approx(2)


@pytest.mark.parametrize("ended", [(), (1.0,), (1.0, 1.0)])
def test_too_few_answers_have_no_rate_and_do_not_end_the_measurement(ended):
    assert rate_of(answers(*ended)) == 0


def test_percentiles_are_of_the_nearest_rank():
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile([], 99)) == (50, 99, 0)
