"""The endpoints' template in its text: numbers that fit each other, and what the emulator has not."""

import pytest

from frontend.serverless import queue_events
from oncoserve.jobs.sagemaker import answer_format as answers
from oncoserve.jobs.sagemaker import endpoints, feeding, setting_back, tickets
from oncoserve.settings import Settings
from testbed.aws_template import read_template, unrolled

PIPELINE, TEMPLATE = read_template("pipeline"), read_template("sagemaker")
RESOURCES = unrolled(TEMPLATE)["Resources"]
MODELS = TEMPLATE["Mappings"]["Models"]


def properties(name):
    return RESOURCES[name]["Properties"]


def test_it_serves_the_pipelines_models():
    theirs = PIPELINE["Mappings"]["Models"]
    assert {key: each["Name"] for key, each in MODELS.items()} == {key: each["Name"] for key, each in theirs.items()}
    assert TEMPLATE["Parameters"]["Models"]["Default"] == PIPELINE["Parameters"]["Models"]["Default"]
    for name in ("PythonVersion", "Architecture", "LogDays"):
        assert TEMPLATE["Parameters"][name] == PIPELINE["Parameters"][name] | {
            "Description": TEMPLATE["Parameters"][name]["Description"]
        }


@pytest.mark.parametrize("key", MODELS)
def test_each_endpoint_is_where_the_feeder_asks(key):
    model = MODELS[key]
    assert endpoints.endpoint_name("", model["Name"]) == model["Endpoint"]
    group = properties(f"EndpointLogs{key}")["LogGroupName"]["Fn::Sub"]
    assert group[0] == "/aws/sagemaker/Endpoints/${Pipeline}-${Name}"
    named = properties(f"Endpoint{key}")["EndpointName"]
    assert named == {"Fn::Select": [4, {"Fn::Split": ["/", {"Ref": f"EndpointLogs{key}"}]}]}
    assert group[0].split("/")[4] == "${Pipeline}-${Name}"


@pytest.mark.parametrize("key", MODELS)
def test_an_answer_comes_to_where_the_settler_reads_and_expires_there(key):
    config = properties(f"Config{key}")["AsyncInferenceConfig"]["OutputConfig"]
    assert config["S3OutputPath"]["Fn::Sub"][0] == "s3://${Name}/" + endpoints.ANSWERS
    rules = PIPELINE["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (rule,) = [each for each in rules if each["Id"] == "sagemaker"]
    for folder in (endpoints.ANSWERS, tickets.FOLDER, "sagemaker/failures/"):
        assert folder.startswith(rule["Prefix"])
    assert "KeyArn" in str(config["KmsKeyId"])
    assert config["NotificationConfig"] == {
        "SuccessTopic": {"Ref": "SuccessTopic"},
        "ErrorTopic": {"Ref": "ErrorTopic"},
    }


def test_a_function_ends_before_its_messages_come_again():
    queue = PIPELINE["Resources"]["Fn::ForEach::Queues"][2]["Queue${Model}"]["Properties"]
    feeder, settler = properties("FeederFunction"), properties("SettlerFunction")
    assert queue_events.LEAVE_S < feeder["Timeout"] < feeding.UNSENT_S <= queue["VisibilityTimeout"]
    assert properties("SettleQueue")["VisibilityTimeout"] >= 6 * settler["Timeout"]
    assert setting_back.SPARED + Settings.model_fields["job_max_attempts"].default < setting_back.LAST_DELIVERY
    assert queue["RedrivePolicy"]["maxReceiveCount"] > setting_back.LAST_DELIVERY
    assert endpoints.WAIT_S + endpoints.TIMEOUT_S < endpoints.LEASE_S < 12 * 3600
    assert queue["MessageRetentionPeriod"] / 10 > endpoints.LEASE_S


def test_the_settler_has_room_for_the_largest_answers():
    held = properties("Settling")["BatchSize"] * (answers.MAX_BYTES + answers.MAX_CONTENT_BYTES)
    assert held < (properties("SettlerFunction")["MemorySize"] - 512) * 2**20


@pytest.mark.parametrize("mapping", [*(f"Feed{key}" for key in MODELS), "Settling"])
def test_no_message_is_deleted_that_was_not_worked_on(mapping):
    assert properties(mapping)["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert properties(mapping)["ScalingConfig"]["MaximumConcurrency"] >= 2  # the least that Lambda takes


@pytest.mark.parametrize("key", MODELS)
def test_instances_come_with_the_first_image_and_go_with_the_last(key):
    target = properties(f"Target{key}")
    assert target["MinCapacity"] == {"Ref": "MinWorkers"}
    assert TEMPLATE["Parameters"]["MinWorkers"]["Default"] == 0
    alarm = properties(f"Waiting{key}")
    assert (alarm["MetricName"], alarm["AlarmActions"]) == ("HasBacklogWithoutCapacity", [{"Ref": f"FromZero{key}"}])
    step = properties(f"FromZero{key}")["StepScalingPolicyConfiguration"]
    assert (step["AdjustmentType"], step["StepAdjustments"]) == (
        "ChangeInCapacity",
        [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    )
    tracking = properties(f"Tracking{key}")["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["CustomizedMetricSpecification"]["MetricName"] == "ApproximateBacklogSizePerInstance"
    assert tracking["ScaleInCooldown"] == {"Ref": "QuietSeconds"}
    assert properties(f"Endpoint{key}")["RetainAllVariantProperties"] is True


def test_the_container_reaches_nobody():
    assert all(properties(f"Model{key}")["EnableNetworkIsolation"] is True for key in MODELS)


def test_an_image_is_named_by_its_digest():
    assert TEMPLATE["Parameters"]["SageMakerImage"]["AllowedPattern"] == ".+@sha256:[0-9a-f]{64}"
