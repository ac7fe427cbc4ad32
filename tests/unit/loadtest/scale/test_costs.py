import pytest

from loadtest.scale.costs import Workload, per_thousand
from loadtest.scale.prices import INSTANCES, REQUESTS, Price

WORK = Workload("tiny", images_per_hour=2000, image_mb=2, result_mb=1, result_files=2)
HOUR = Price(0.10, 1, "hour", "made up", "never")


def test_each_cost_by_hand():
    costs = per_thousand(WORK, HOUR)
    assert costs["workers"] == pytest.approx(0.05)
    assert costs["S3 PUT"] == pytest.approx(3000 * 0.005 / 1000)
    assert costs["S3 storage"] == pytest.approx(3 * 8 / 30 * 0.023)
    assert costs["SQS"] == pytest.approx(2000 * 0.40 / 1e6)
    assert costs["DynamoDB write"] == pytest.approx((3000 + 2 * 500) * 0.625 / 1e6)
    assert costs["Internet"] == pytest.approx(1 * 0.09)


def test_results_that_stay_inside_cost_no_traffic():
    inside = per_thousand(WORK, HOUR, fetched=False)
    assert inside["Internet"] == 0
    assert inside["API Gateway"] < per_thousand(WORK, HOUR)["API Gateway"]


def test_twice_as_fast_is_half_the_workers_cost_alone():
    fast = per_thousand(Workload("fast", 4000, 2, 1, 2), HOUR)
    slow = per_thousand(WORK, HOUR)
    assert fast["workers"] == slow["workers"] / 2
    assert {name: cost for name, cost in fast.items() if name != "workers"} == {
        name: cost for name, cost in slow.items() if name != "workers"
    }


@pytest.mark.parametrize("price", [*INSTANCES.values(), *REQUESTS.values()])
def test_each_price_says_where_it_is_from(price):
    assert price.source
    assert price.date
    assert price.of(price.per) == price.dollars
