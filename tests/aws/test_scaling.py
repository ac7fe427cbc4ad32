"""How many workers there are: from none to none, by the policies and alarms of the template, which a simulation reads.

The emulator does not know alarms on more than one metric: what CloudWatch makes of them only a real account can show.
"""

import itertools
from dataclasses import replace

import pytest

from loadtest.scaling.__main__ import DAY, HEADS, days, longest_wait, row
from loadtest.scaling.metric_math import value
from loadtest.scaling.playing import WAKING_MIN, notices, play
from loadtest.scaling.policies import NAMES, Policies
from testbed.aws_template import read_template, unrolled
from testbed.servers import PROJECT

RESOURCES = unrolled(read_template("ec2"))["Resources"]
MODELS = ("BrainMri", "BrainTumour", "HeTissue")
RATE, BOOT = 117, 5
NEVER = 10**6


def history(day, boot=BOOT, **parameters):
    played = days()[day]
    return play(Policies.of("HeTissue", **parameters), played.arrivals, RATE, boot, asleep=played.asleep)


def workers(played):
    return [each.wanted for each in played]


def test_the_first_message_starts_a_worker_where_there_is_none():
    """Target tracking does not: one message is below any target. That is why nothing ever started."""
    counts = workers(history("one picture"))
    assert max(counts) == 1
    assert 10 < counts.index(1) <= 12  # the picture comes in minute 10
    assert counts[-1] == 0


def test_after_a_night_sqs_may_take_its_time_to_tell():
    late, usual = (workers(history(day)).index(1) for day in ("one picture, after a night", "one picture"))
    assert late - usual == WAKING_MIN


def test_a_backlog_without_workers_starts_one_and_only_that():
    """The policy sets the number to one: where others are on their way it would take them away."""
    played = history("20,000 in 20 minutes")
    first = workers(played).index(1)
    assert set(workers(played)[first : first + BOOT]) == {1}


@pytest.mark.parametrize("quiet", [300, 900, 3600])
def test_the_last_worker_goes_after_the_quiet_time_and_not_before(quiet):
    played = history("one picture", QuietSeconds=quiet)
    done = max(now for now, each in enumerate(played) if each.told["NumberOfMessagesReceived"])
    gone = next(now for now in range(done, len(played)) if not workers(played)[now])
    assert quiet / 60 <= gone - done <= quiet / 60 + 3


def test_what_sqs_does_not_tell_of_is_none():
    """SQS tells of messages under way, and of those received, only while there are such."""
    rest = Policies.of("HeTissue").by_name["Rest"].alarm
    told = {"ApproximateNumberOfMessagesVisible": 0.0}
    told |= dict.fromkeys(("ApproximateNumberOfMessagesNotVisible", "NumberOfMessagesReceived"))
    assert rest.rings([told] * rest.periods) == 0
    assert rest.rings([told] * (rest.periods - 1)) is None
    for name in told:
        assert rest.rings([told] * (rest.periods - 1) + [told | {name: 1.0}]) is None
    assert rest.rings([dict.fromkeys(told)] * rest.periods) is None  # a queue that nobody uses rests already


def test_nobody_asks_nobody_works():
    assert max(workers(history("nobody"))) == 0
    assert set(workers(history("nobody", MinWorkers=2))) == {2}


def test_a_backlog_starts_more_up_to_the_most():
    counts = workers(history("20,000 in 20 minutes", MaxWorkers=3))
    assert max(counts) == 3
    assert counts[-1] == 0


@pytest.mark.parametrize("cooldown", [300, 900])
def test_a_new_worker_gets_its_time_to_show_in_the_backlog(cooldown):
    counts = workers(history("20,000 in 20 minutes", CooldownSeconds=cooldown, MaxWorkers=50))
    started = [now for now, (before, after) in enumerate(itertools.pairwise(counts)) if after > before]
    assert len(started) >= 3
    assert all(later - earlier >= cooldown / 60 + BOOT for earlier, later in itertools.pairwise(started[1:]))


@pytest.mark.parametrize(("times", "more"), [(0.9, None), (1, 5), (1.9, 5), (2, 8), (4, 12), (8, 20), (800, 20)])
def test_the_longer_the_backlog_the_more_are_started(times, more):
    policies = Policies.of("HeTissue")
    policy = policies.by_name["More"]
    told = {"ApproximateNumberOfMessagesVisible": times * 600 * 4, "GroupInServiceInstances": 4}
    watched = policy.alarm.rings([told, told])
    assert (watched if watched is None else policy.wanted(watched, 4)) == {5: 6, None: None}.get(more, more)
    assert policy.alarm.rings([told | {"GroupInServiceInstances": 0}] * 2) is None


def test_after_a_burst_only_as_many_stay_as_have_something_to_do():
    counts = workers(history("the same, then 30 a minute"))
    assert max(counts) == 4
    assert counts[-1] == 1
    fewer = [now for now, (before, after) in enumerate(itertools.pairwise(counts)) if after < before]
    assert len(fewer) == 3
    assert all(later - earlier >= 15 for earlier, later in itertools.pairwise(fewer))


@pytest.mark.parametrize("day", ["30 a minute, all day", "one a minute, all day"])
def test_a_steady_stream_keeps_its_worker(day):
    """Even where SQS, which looks once a minute, never sees a picture wait or under way."""
    assert set(workers(history(day))[15:]) == {1}


def test_a_minute_of_which_the_group_did_not_tell_is_no_empty_group():
    """Else a late number would take all but one worker away."""
    told = {"ApproximateNumberOfMessagesVisible": 9.0, "GroupDesiredCapacity": None, "GroupInServiceInstances": None}
    policies = Policies.of("HeTissue")
    assert policies.by_name["Start"].alarm.rings([told]) is None
    assert policies.told.rings([told] * 20) is None


def test_that_no_worker_comes_is_told_after_twenty_minutes_and_that_one_takes_its_time_is_not():
    policies = Policies.of("HeTissue")
    assert notices(policies, history("one picture")) == 0
    assert notices(policies, history("20,000 in 20 minutes")) == 0
    broken = history("one picture", boot=NEVER)
    assert workers(broken)[-1] == 1  # machines that never are in service
    assert notices(policies, broken) == DAY - 10 - 19


@pytest.mark.parametrize("model", MODELS)
def test_the_alarms_drive_the_policies_of_their_model(model):
    for name in NAMES:
        alarm, policy = RESOURCES[f"{name}Alarm{model}"]["Properties"], RESOURCES[f"{name}{model}"]["Properties"]
        assert alarm["AlarmActions"] == [{"Ref": f"{name}{model}"}]
        assert policy["AutoScalingGroupName"] == {"Ref": f"Workers{model}"}
        for metric in (each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each):
            assert metric["Period"] == 60
            (dimension,) = metric["Metric"]["Dimensions"]
            assert model in str(dimension["Value"])
    told = RESOURCES[f"NoWorkerAlarm{model}"]["Properties"]
    assert "NoticeTopicArn" in str(told["AlarmActions"])
    assert told["EvaluationPeriods"] * 60 == 20 * 60
    collected = RESOURCES[f"Workers{model}"]["Properties"]["MetricsCollection"][0]
    named = {each["MetricStat"]["Metric"]["MetricName"] for each in told["Metrics"] if "MetricStat" in each}
    assert {name for name in named if name.startswith("Group")} < set(collected["Metrics"])


@pytest.mark.parametrize("model", MODELS)
def test_quiet_is_as_many_minutes_as_the_parameter_says(model):
    for quiet in read_template("ec2")["Parameters"]["QuietSeconds"]["AllowedValues"]:
        policies = Policies.of(model, QuietSeconds=quiet)
        for name in ("Fewer", "Rest"):
            assert policies.by_name[name].alarm.periods * 60 == quiet


def test_a_worker_that_does_not_come_up_is_a_failed_stack_and_one_that_goes_ends_its_image():
    parameters = read_template("ec2")["Parameters"]
    group = RESOURCES["WorkersBrainMri"]
    assert group["CreationPolicy"]["ResourceSignal"]["Count"] == {"Ref": "MinWorkers"}
    rolling = group["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert (rolling["WaitOnResourceSignals"], rolling["MinSuccessfulInstancesPercent"]) == (True, 100)
    assert "AlarmNotification" in rolling["SuspendProcesses"]
    hooks = {each["LifecycleHookName"]: each for each in group["Properties"]["LifecycleHookSpecificationList"]}
    assert hooks["leave"]["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    # The machine looks every half minute, and gives the worker half a minute more than its own grace.
    assert hooks["leave"]["HeartbeatTimeout"] >= parameters["StopSeconds"]["MaxValue"] + 120
    assert hooks["enter"]["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
    assert hooks["enter"]["DefaultResult"] == "ABANDON"


def test_the_table_in_docs_is_what_the_command_prints():
    text = (PROJECT / "docs/scale.md").read_text()
    assert f"| {' | '.join(HEADS)} |" in text
    for name, day in days().items():
        assert f"| {name} | {' | '.join(row(day.arrivals, history(name)))} |" in text


def test_the_longest_wait_is_that_of_the_picture_that_waits_longest():
    minute = history("nobody")[0]
    arrivals = [2.0, 0.0, 1.0, 0.0, 0.0]
    played = [replace(minute, waiting=waiting) for waiting in (2, 1, 1, 1, 0)]
    assert longest_wait(arrivals, played) == 2


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("IF(a > 1, a - b, 0)", 1.0), ("IF(c < 1, a, b)", None), ("FILL(c, 7) + a / b", 8.5), ("a + c", None)],
)
def test_metric_math(expression, expected):
    assert value(expression, {"a": 3.0, "b": 2.0, "c": None}) == expected


@pytest.mark.parametrize("expression", ["RATE(a)", "a ** b", "a.real", "a if b else a"])
def test_metric_math_that_is_not_played_is_refused(expression):
    with pytest.raises(ValueError, match="played here"):
        value(expression, {"a": 3.0, "b": 2.0})
