"""Rules of our own that each statement, alarm, log group and queue of each template keeps, whoever writes the next one.

checkov, which deploy/aws/checkov.yml is for, is not among the tests' packages: it brings a hundred of its own.
"""

import re

import pytest
import yaml

from testbed.aws_template import TEMPLATES, names, read_template, unrolled

ALL = {name: unrolled(read_template(name)) for name in names()}
RESOURCES = [
    pytest.param(resource, id=f"{template}-{name}")
    for template, each in ALL.items()
    for name, resource in each["Resources"].items()
]

# AWS knows no narrower resource for these: its Service Authorization Reference lists none.
OF_NO_RESOURCE = {
    "autoscaling:DescribeAutoScalingInstances",
    "cloudwatch:PutMetricData",
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ecr:GetAuthorizationToken",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
# What services may do with a key, in AWS's own words of it. "kms:*" of the account is what lets IAM decide at all.
KEY_ACTIONS = {"kms:*", "kms:GenerateDataKey*", "kms:ReEncrypt*"}
# What is not known beforehand of a resource's name, by the service: an object's in its folder, a group's own number.
UNKNOWN = {"s3": r"/[a-z]+(/[a-z]+)*/\*(?!\w)", "autoscaling": r"autoScalingGroup:\*:autoScalingGroupName/"}
# AWS's own, for machines that are reached without SSH.
MANAGED = {"AmazonSSMManagedInstanceCore"}
# Their policies only take away: who may do something is said elsewhere.
FOR_EVERYBODY = {"AWS::EC2::VPCEndpoint", "AWS::ApiGateway::RestApi"}
# What an action needs of the key, if it is on what the key encrypts.
NEEDED = {
    "s3:GetObject": {"kms:Decrypt"},
    "s3:PutObject": {"kms:GenerateDataKey"},
    "sns:Publish": {"kms:Decrypt", "kms:GenerateDataKey"},
    "sqs:ReceiveMessage": {"kms:Decrypt"},
    "sqs:SendMessage": {"kms:Decrypt", "kms:GenerateDataKey"},
}
GUARDS = {"aws:SourceArn", "AWS:SourceArn", "aws:SourceAccount", "kms:EncryptionContext:aws:logs:arn"}


def of_type(*types):
    return [each for each in RESOURCES if each.values[0]["Type"] in types]


def found(part, holds):
    """All dictionaries within that hold something."""
    if isinstance(part, list):
        return [each for item in part for each in found(item, holds)]
    if not isinstance(part, dict):
        return []
    return ([part] if holds in part else []) + [each for item in part.values() for each in found(item, holds)]


def listed(value):
    return value if isinstance(value, list) else [value]


def statements(part):
    """All statements that allow something, but those that say whose a role is."""
    part = {key: value for key, value in part["Properties"].items() if key != "AssumeRolePolicyDocument"}
    return [each for each in found(part, "Effect") if each["Effect"] == "Allow"]


def text(value):
    """A resource as one string, with what it names in braces."""
    return value if isinstance(value, str) else str(next(iter(value.values())))


WITH_STATEMENTS = [each for each in RESOURCES if statements(each.values[0])]
OF_ROLES = [each for each in WITH_STATEMENTS if each.values[0]["Type"].startswith("AWS::IAM::")]
OF_RESOURCES = [each for each in WITH_STATEMENTS if not each.values[0]["Type"].startswith("AWS::IAM::")]


def test_there_is_something_to_hold_to_the_rules():
    assert {"pipeline", "ec2"} <= set(ALL)
    assert len(OF_ROLES) >= 6
    assert len(OF_RESOURCES) >= 8
    assert not [key for each in ALL.values() for key in each["Resources"] if "${" in key or key.startswith("Fn::")]


@pytest.mark.parametrize("resource", WITH_STATEMENTS)
def test_what_is_allowed_is_said_by_name(resource):
    for statement in statements(resource):
        assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)
        actions = listed(statement["Action"])
        known = KEY_ACTIONS if resource["Type"] == "AWS::KMS::Key" else set()
        assert not [each for each in actions if "*" in each and each not in known]


@pytest.mark.parametrize("resource", OF_ROLES)
def test_a_role_has_rights_on_what_it_uses(resource):
    assert {text(each).rsplit("/", 1)[-1] for each in resource["Properties"].get("ManagedPolicyArns", [])} <= MANAGED
    for statement in statements(resource):
        actions = set(listed(statement["Action"]))
        (service,) = {action.split(":")[0] for action in actions}
        for each in map(text, listed(statement["Resource"])):
            if each == "*":
                assert actions <= OF_NO_RESOURCE
            else:
                assert "*" not in re.sub(UNKNOWN.get(service, "$^"), "", each)


@pytest.mark.parametrize("resource", OF_ROLES)
def test_a_role_uses_the_key_through_the_service_that_it_asks(resource):
    for statement in statements(resource):
        actions = [each for each in listed(statement["Action"]) if each.startswith("kms:")]
        if not actions:
            continue
        assert actions == listed(statement["Action"])
        conditions = found(statement["Condition"], "kms:ViaService") + found(
            statement["Condition"], "kms:GrantIsForAWSResource"
        )
        assert conditions
        assert "kms:CreateGrant" not in actions or found(statement["Condition"], "kms:GrantIsForAWSResource")


def ways_to_the_key(resource):
    """The actions on the key that a role has, each with the service through which."""
    return {
        (text(service).split(".")[0], action)
        for statement in statements(resource)
        for guard in found(statement.get("Condition", {}), "kms:ViaService")
        for service in listed(guard["kms:ViaService"])
        for action in listed(statement["Action"])
    }


@pytest.mark.parametrize("resource", [each for each in OF_ROLES if each.values[0]["Type"] == "AWS::IAM::Role"])
def test_a_role_may_use_the_key_for_all_that_it_reads_and_writes(resource):
    """Else each request is answered with "access denied", which an emulator that does not ask KMS cannot show."""
    needed = set()
    for statement in statements(resource):
        if "Bucket" not in str(statement["Resource"]) and "s3:" in str(statement["Action"]):
            continue  # somebody else's, such as the packages of Amazon Linux
        for action in listed(statement["Action"]):
            service = action.split(":")[0]
            uses = {"kms:Decrypt"} if service == "dynamodb" else NEEDED.get(action, set())
            needed |= {(service, each) for each in uses}
    assert needed <= ways_to_the_key(resource)


@pytest.mark.parametrize("resource", OF_RESOURCES)
def test_a_service_that_is_let_in_acts_for_this_account(resource):
    """Else anybody's topic, alarm or distribution could use what is ours: the confused deputy of AWS's guides."""
    for statement in statements(resource):
        principal = statement["Principal"]
        if principal == "*" and resource["Type"] in FOR_EVERYBODY:
            continue
        assert principal != "*"
        assert "*" not in str(principal.get("AWS", ""))
        if "Service" in principal:
            assert GUARDS & {key for each in statement["Condition"].values() for key in each}


@pytest.mark.parametrize("resource", of_type("AWS::CloudWatch::Alarm"))
def test_an_alarm_tells_somebody_and_says_what_it_means(resource):
    alarm = resource["Properties"]
    assert alarm.get("AlarmActions")
    assert len(alarm["AlarmDescription"]) > 20
    assert alarm["TreatMissingData"] in {"notBreaching", "breaching"}
    assert "MetricName" in alarm or "Metrics" in alarm


@pytest.mark.parametrize("resource", of_type("AWS::Logs::LogGroup"))
def test_logs_are_encrypted_and_end(resource):
    assert resource["Properties"]["RetentionInDays"]
    assert "Key" in str(resource["Properties"]["KmsKeyId"])


@pytest.mark.parametrize("resource", of_type("AWS::SQS::Queue", "AWS::SNS::Topic"))
def test_messages_are_encrypted_with_our_own_key(resource):
    assert "Key" in str(resource["Properties"]["KmsMasterKeyId"])


@pytest.mark.parametrize("resource", of_type("AWS::Lambda::Function"))
def test_a_function_is_of_the_package_and_logs_to_a_group_of_its_own(resource):
    function = resource["Properties"]
    assert function["Runtime"] == {"Fn::Sub": "python${PythonVersion}"}
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert function["Code"] == {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}}
    assert function["LoggingConfig"]["LogGroup"]["Ref"]


@pytest.mark.parametrize("name", ALL)
def test_a_template_says_whose_it_is_and_what_for(name):
    assert ALL[name]["Description"].startswith("Oncoserve")
    assert "Research use only. Not a medical device." in ALL[name]["Description"]


def test_each_rule_of_checkov_that_is_not_kept_has_its_reason():
    lines = (TEMPLATES / "checkov.yml").read_text().splitlines()
    skipped = yaml.safe_load("\n".join(lines))["skip-check"]
    assert len(skipped) == len(set(skipped)) > 3
    for each in skipped:
        (line,) = [line for line in lines if each in line]
        assert len(line.partition("#")[2]) > 40
