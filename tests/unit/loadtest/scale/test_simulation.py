import dataclasses
import math

import pytest

from loadtest.scale.simulation import HOUR_S, Scenario, simulate

SCALED = Scenario(20_000, images_per_hour=7200, target_backlog=500, max_workers=30, price_per_hour=0.1)
HARD = dataclasses.replace(SCALED, kills_per_hour=6, arrivals_per_s=50, visibility_timeout_s=45)


@pytest.mark.parametrize("workers", [1, 3, 7])
@pytest.mark.parametrize("boot_s", [0, 90])
def test_without_scaling_it_takes_the_analytic_time(workers, boot_s):
    fixed = Scenario(
        2000, images_per_hour=3600, variation=0, boot_s=boot_s, min_workers=workers, max_workers=workers, in_flight=1
    )
    outcome = simulate(fixed)
    assert outcome.drained_s == pytest.approx(boot_s + math.ceil(2000 / workers))
    assert outcome.busy_s == pytest.approx(2000)
    assert outcome.billed_s == pytest.approx(workers * outcome.drained_s)


def test_with_variation_it_takes_the_analytic_time_within_a_percent():
    outcome = simulate(Scenario(20_000, 7200, variation=0.5, boot_s=0, min_workers=4, max_workers=4))
    assert outcome.drained_s == pytest.approx(20_000 / 4 / 7200 * HOUR_S, rel=0.01)


@pytest.mark.parametrize("scenario", [SCALED, HARD], ids=["scaled", "killed"])
@pytest.mark.parametrize("seed", range(5))
def test_work_is_conserved_and_there_are_never_too_many_workers(scenario, seed):
    outcome = simulate(dataclasses.replace(scenario, seed=seed))
    assert outcome.done == scenario.images
    for each in outcome.samples:
        arrived = min(scenario.images, scenario.arrivals_per_s * (math.floor(each.at_s) + 1))
        arrived_before = min(scenario.images, scenario.arrivals_per_s * math.floor(each.at_s))
        assert each.visible + each.leased + each.hidden + each.done in {arrived_before, arrived}
        assert 0 <= each.workers <= scenario.max_workers
        assert min(each.visible, each.leased, each.hidden) >= 0
    assert outcome.peak_workers == scenario.max_workers
    assert outcome.samples[-1].workers <= scenario.max_workers


def test_a_kill_costs_time_and_no_image():
    calm, killed = simulate(SCALED), simulate(dataclasses.replace(SCALED, kills_per_hour=6))
    assert calm.begun == calm.done == killed.done
    assert (calm.kills, killed.kills > 10) == (0, True)
    assert killed.begun > killed.done
    assert killed.drained_s > calm.drained_s


def test_a_longer_visibility_timeout_holds_the_last_images_back():
    def drained(timeout_s):
        seeds = range(4)
        runs = [dataclasses.replace(HARD, visibility_timeout_s=timeout_s, seed=seed) for seed in seeds]
        return sum(simulate(run).drained_s for run in runs)

    assert drained(3600) > drained(30) + 4 * 600


def test_all_billed_time_is_accounted_for():
    outcome = simulate(SCALED)
    assert outcome.billed_s >= outcome.busy_s + outcome.booting_s
    assert outcome.cost == pytest.approx(outcome.billed_s / HOUR_S * 0.1)
    assert 0 < outcome.idle_share < 1


def test_a_higher_target_takes_fewer_workers_and_longer():
    few = simulate(dataclasses.replace(SCALED, target_backlog=5000))
    assert few.peak_workers == 4
    assert few.drained_s > simulate(SCALED).drained_s


def test_scaling_in_waits_for_the_cooldown():
    patient = simulate(dataclasses.replace(SCALED, cooldown_s=1800))
    assert patient.idle_share > simulate(SCALED).idle_share


def test_the_seed_decides_everything():
    assert simulate(HARD) == simulate(HARD)
    assert simulate(HARD).drained_s != simulate(dataclasses.replace(HARD, seed=1)).drained_s


def test_a_minute_is_the_least_that_is_billed():
    outcome = simulate(Scenario(1, 36_000, boot_s=0, cooldown_s=0, evaluate_s=1))
    assert outcome.billed_s == 60
