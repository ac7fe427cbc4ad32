"""The template itself: what the emulator drops without a word, and what nobody may loosen by accident."""

import json
import re
import subprocess

import pytest

from frontend.serverless.function_app import MAX_BODY_BYTES
from inference_server.triton_settings import TritonSettings
from oncoserve.jobs.aws.dynamo_store import INDEX
from oncoserve.settings import Settings
from testbed.aws_environment import environment
from testbed.aws_template import TEMPLATES, parts, read_template
from testbed.servers import PROJECT

DAY_S = 24 * 3600
TEMPLATE, WORKERS = read_template("pipeline"), read_template("ec2")
RESOURCES = {
    key: value
    for template in (TEMPLATE, WORKERS)
    for part in parts(template["Resources"])
    for key, value in part.items()
    if isinstance(value, dict)
}
FILES = sorted(TEMPLATES.glob("*.yaml"))


def properties(name):
    return RESOURCES[name]["Properties"]


def test_cfn_lint_has_nothing_to_say(unavailable):
    try:
        lint = environment() / "cfn-lint"
    except (OSError, subprocess.CalledProcessError) as error:
        unavailable("aws", f"cfn-lint cannot be installed: {error}")
    done = subprocess.run([lint, *FILES], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_model_has_its_queue():
    models = TEMPLATE["Mappings"]["Models"]
    assert {each["Name"] for each in models.values()} == {
        path.parent.name for path in (PROJECT / "model_repository").glob("*/card.json")
    }
    for template in (TEMPLATE, WORKERS):
        assert template["Parameters"]["Models"]["Default"] == ",".join(models)
        assert {key: each["Name"] for key, each in template["Mappings"]["Models"].items()} == {
            key: each["Name"] for key, each in models.items()
        }
    name = {"Fn::FindInMap": ["Models", {"Ref": "Model"}, "Name"]}
    assert properties("Subscription${Model}")["FilterPolicy"] == {"model": [name]}
    assert properties("Subscription${Model}")["RawMessageDelivery"] is True


def test_what_cannot_be_worked_on_ends_in_the_dead_letters_after_the_worker_gave_it_up():
    redrive = properties("Queue${Model}")["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [{"Fn::Sub": "Dead${Model}"}, "Arn"]}
    assert redrive["maxReceiveCount"] >= 10 * Settings.model_fields["job_max_attempts"].default
    fortnight = properties("Dead${Model}")["MessageRetentionPeriod"]
    assert fortnight == properties("Queue${Model}")["MessageRetentionPeriod"] == 14 * DAY_S
    assert fortnight > Settings.model_fields["jobs_ttl_s"].default


def test_what_has_expired_goes():
    assert properties("Table")["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    rules = {rule["Id"]: rule for rule in properties("Bucket")["LifecycleConfiguration"]["Rules"]}
    for folder in ("jobs", "uploads", "results", "sagemaker"):
        rule = rules.pop(folder)
        assert (rule["Prefix"], rule["Status"]) == (f"{folder}/", "Enabled")
        assert DAY_S <= rule["ExpirationInDays"] * DAY_S - Settings.model_fields["jobs_ttl_s"].default < 2 * DAY_S + 1
    assert rules.pop("unfinished")["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert not rules
    assert "VersioningConfiguration" not in properties("Bucket")


def test_what_is_kept_is_encrypted_and_nobody_s_but_ours():
    bucket = properties("Bucket")
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    key = {"Fn::GetAtt": ["Key", "Arn"]}
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert encryption["BucketKeyEnabled"] is True
    assert bucket["OwnershipControls"]
    assert properties("Table")["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    assert properties("Table")["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    for name in ("Topic", "NoticeTopic", "Queue${Model}", "Dead${Model}"):
        assert properties(name)["KmsMasterKeyId"] == key
    for name in ("Bucket", "Table", "Key"):
        # What a stack that could not be made leaves would cost money, and nobody would find it.
        assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_the_record_is_found_by_job_and_by_user():
    table = properties("Table")
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["job_id", "part"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == INDEX
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["user_id", "created"]


def test_what_is_sent_is_not_lost_on_the_way():
    """SNS tries again what a queue is too busy for, not what it is refused: by the key, say."""
    subscription = properties("Subscription${Model}")
    assert subscription["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [{"Fn::Sub": "Dead${Model}"}, "Arn"]}
    }
    for queue in ("Queue", "Dead"):
        policy = properties("QueuePolicy${Model}" if queue == "Queue" else "DeadPolicy${Model}")
        assert policy["Queues"] == [{"Ref": {"Fn::Sub": queue + "${Model}"}}]
        allowed = policy["PolicyDocument"]["Statement"][0]
        assert (allowed["Principal"], allowed["Action"]) == ({"Service": "sns.amazonaws.com"}, "sqs:SendMessage")
        assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "Topic"}}}
    watched = properties("DeliveryAlarm")
    assert (watched["Namespace"], watched["MetricName"]) == ("AWS/SNS", "NumberOfNotificationsFailed")


@pytest.mark.parametrize(
    "policy", ["BucketPolicy", "TopicPolicy", "NoticePolicy", "QueuePolicy${Model}", "DeadPolicy${Model}"]
)
def test_nobody_is_let_in_without_tls(policy):
    document = properties(policy)["PolicyDocument"]
    (statement,) = [each for each in document["Statement"] if each.get("Sid") == "TlsOnly"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_key_is_used_by_services_only_for_what_is_ours():
    statements = {each["Sid"]: each for each in properties("Key")["KeyPolicy"]["Statement"] if "Fn::If" not in each}
    assert {key: each["Principal"].get("Service") for key, each in statements.items()} == {
        "Account": None,
        "Messages": "sns.amazonaws.com",
        "Alarms": "cloudwatch.amazonaws.com",
        "Logs": {"Fn::Sub": "logs.${AWS::Region}.${AWS::URLSuffix}"},
    }
    (groups,) = statements["Logs"]["Condition"]["ArnLike"].values()
    assert all("${AWS::StackName}-" in each["Fn::Sub"] for each in groups)
    assert properties("Key")["EnableKeyRotation"] is True
    # The rest may have it as long as the distribution may.
    (cdn,) = [each["Fn::If"] for each in properties("Key")["KeyPolicy"]["Statement"] if "Fn::If" in each]
    assert (cdn[0], cdn[1]["Action"], cdn[2]) == ("Cdn", "kms:Decrypt", {"Ref": "AWS::NoValue"})


def test_everything_that_can_fail_is_watched():
    alarms = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    # Of the two kinds of API, each has a name of its own for it; the last is that of the HTTP API.
    named = [each for each in alarms.values() if "Namespace" in each]
    names = [each["MetricName"] for each in named]
    names = [each["Fn::If"][-1] if isinstance(each, dict) else each for each in names]
    watched = {(each["Namespace"], name) for each, name in zip(named, names, strict=True)}
    assert watched >= {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/ApiGateway", "5xx"),
        ("AWS/SNS", "NumberOfNotificationsFailed"),
    }
    assert alarms["AgeAlarm${Model}"]["Threshold"] == {"Ref": "OldestMessageSeconds"}
    (_, functions, _) = TEMPLATE["Resources"]["Fn::ForEach::FunctionAlarms"]
    made = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::Lambda::Function"]
    assert {f"{each}Function" for each in functions} == set(made)


def test_a_python_whose_lambda_cannot_run_the_package_is_refused():
    """Lambda's 3.11 is Amazon Linux 2, whose glibc is 2.26; numpy needs 2.27."""
    version = TEMPLATE["Parameters"]["PythonVersion"]
    assert version["Default"] in version["AllowedValues"]
    assert all(tuple(map(int, each.split("."))) >= (3, 12) for each in version["AllowedValues"])


def test_only_liveness_is_open():
    routes = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"].endswith("::Route")}
    assert {each["RouteKey"] for each in routes.values() if each["AuthorizationType"] == "NONE"} == {"GET /livez"}
    assert properties("Route")["AuthorizationType"] == "CUSTOM"
    # Without the address in the key of its cache, an answer for an allowed address would let another one in.
    assert "$context.identity.sourceIp" in properties("Authoriser")["IdentitySource"]
    assert "Default" not in TEMPLATE["Parameters"]["AllowedCidrs"]
    assert "SecurityGroupIngress" not in properties("WorkerGroup")


def test_the_settings_that_it_names_exist():
    known = {f"ONCO_{name.upper()}" for name in Settings.model_fields}
    known |= {f"ONCO_TRITON_{name.upper()}" for name in TritonSettings.model_fields}
    named = set(re.findall(r"\bONCO_\w+", "".join(file.read_text() for file in FILES)))
    assert len(named) > 10
    assert named <= known


def test_a_body_that_is_taken_fits_into_lambda_s_event():
    assert len(json.dumps({"body": "x" * (4 * MAX_BODY_BYTES // 3)})) < 6 * 2**20 - 2**18
