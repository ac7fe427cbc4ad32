"""How many workers there are: from none to none, by the policies of the template."""

import itertools

import pytest

from loadtest.scaling.__main__ import days
from loadtest.scaling.policies import Policies, play
from testbed.aws_template import read_template, unrolled

RESOURCES = unrolled(read_template("ec2"))["Resources"]
RATE, BOOT = 117, 5


def history(day, **parameters):
    return play(Policies.of("HeTissue", **parameters), days()[day], RATE, BOOT)


def workers(played):
    return [each.working + each.starting for each in played]


def test_the_first_message_starts_a_worker_where_there_is_none():
    """Target tracking does not: one message is below any target. That is why nothing ever started."""
    counts = workers(history("one picture"))
    assert max(counts) == 1
    assert 10 < counts.index(1) <= 12  # the picture comes in minute 10
    assert counts[-1] == 0


def test_the_last_worker_goes_after_the_quiet_time_and_not_before():
    policies = Policies.of("HeTissue")
    played = history("one picture")
    done = max(now for now, each in enumerate(played) if each.waiting or each.under_way)
    gone = next(now for now in range(done, len(played)) if not workers(played)[now])
    assert policies.quiet_min <= gone - done <= policies.quiet_min + 3


def test_nobody_asks_nobody_works():
    assert max(workers(history("nobody"))) == 0
    assert set(workers(history("nobody", MinWorkers=2))) == {2}


def test_a_backlog_starts_more_one_at_a_time_up_to_the_most():
    counts = workers(history("20,000 in 20 minutes", MaxWorkers=3))
    assert max(counts) == 3
    launches = [now for now, (before, after) in enumerate(itertools.pairwise(counts)) if after > before]
    assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(launches))
    assert counts[-1] == 0


def test_a_steady_stream_keeps_its_worker():
    counts = workers(history("30 a minute, all day"))
    assert set(counts[10:]) == {1}


@pytest.mark.parametrize("model", ["BrainMri", "BrainTumour", "HeTissue"])
def test_the_alarms_drive_the_policies_of_their_model(model):
    for name in ("Start", "More", "Rest"):
        alarm, policy = RESOURCES[f"{name}Alarm{model}"]["Properties"], RESOURCES[f"{name}{model}"]["Properties"]
        assert alarm["AlarmActions"] == [{"Ref": f"{name}{model}"}]
        assert policy["AutoScalingGroupName"] == {"Ref": f"Workers{model}"}
        assert len([each for each in alarm["Metrics"] if each.get("ReturnData", True)]) == 1
        for metric in (each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each):
            (dimension,) = metric["Dimensions"]
            assert model in str(dimension["Value"])
    assert RESOURCES[f"Start{model}"]["Properties"]["StepAdjustments"][0]["ScalingAdjustment"] == 1
    assert RESOURCES[f"Rest{model}"]["Properties"]["StepAdjustments"][0]["ScalingAdjustment"] == {"Ref": "MinWorkers"}
    told = RESOURCES[f"NoWorkerAlarm{model}"]["Properties"]
    assert "NoticeTopicArn" in str(told["AlarmActions"])
    assert told["EvaluationPeriods"] == 20
    assert told["Metrics"] == RESOURCES[f"StartAlarm{model}"]["Properties"]["Metrics"]


def test_a_worker_that_does_not_come_up_is_a_failed_stack_and_one_that_goes_ends_its_image():
    parameters = read_template("ec2")["Parameters"]
    group = RESOURCES["WorkersBrainMri"]
    assert group["CreationPolicy"]["ResourceSignal"]["Count"] == {"Ref": "MinWorkers"}
    assert group["UpdatePolicy"]["AutoScalingRollingUpdate"]["WaitOnResourceSignals"] is True
    (hook,) = group["Properties"]["LifecycleHookSpecificationList"]
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert hook["HeartbeatTimeout"] >= parameters["StopSeconds"]["MaxValue"] + 60
