"""What the stack holds when it is made."""

import json

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from testbed.aws_emulator import ACCOUNT, REGION, Stack


def test_a_message_goes_to_its_model_s_queue_alone(stack, emulator):
    topic = {"TopicArn": stack.outputs["TopicArn"], "Message": "x"}
    for model in ("he_tissue", "unknown"):
        attribute = {"DataType": "String", "StringValue": model}
        emulator.client("sns").publish(**topic, MessageAttributes={"model": attribute})
    sqs = emulator.client("sqs")
    found = sqs.receive_message(QueueUrl=stack.queue("he_tissue"), MaxNumberOfMessages=10, WaitTimeSeconds=1)
    (message,) = found["Messages"]
    assert message["Body"] == "x"
    sqs.delete_message(QueueUrl=stack.queue("he_tissue"), ReceiptHandle=message["ReceiptHandle"])


def test_queues_and_logs_are_encrypted_with_the_key_of_the_stack(stack, emulator):
    """So are bucket, table and topics, of which the emulator forgets it: tests/aws/test_template.py reads the text."""
    key = stack.outputs["KeyArn"]
    kms = emulator.client("kms")
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    assert kms.describe_key(KeyId=f"alias/{stack.name}")["KeyMetadata"]["Arn"] == key
    sqs = emulator.client("sqs")
    for queue in ("he_tissue", "he_tissue-dead"):
        attributes = sqs.get_queue_attributes(QueueUrl=stack.queue(queue), AttributeNames=["KmsMasterKeyId"])
        assert attributes["Attributes"]["KmsMasterKeyId"] == key
    groups = emulator.client("logs").describe_log_groups(logGroupNamePrefix=stack.resource("FrontendLogs"))
    assert groups["logGroups"][0]["kmsKeyId"] == key


@pytest.fixture
def noticed(stack, emulator):
    """What has been told on the topic of notices since the last time it was asked."""
    sqs, sns = emulator.client("sqs"), emulator.client("sns")
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:noticed"
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed | {"Resource": arn}]})
    queue = sqs.create_queue(QueueName="noticed", Attributes={"Policy": policy})["QueueUrl"]
    subscription = sns.subscribe(
        TopicArn=stack.outputs["NoticeTopicArn"],
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
    )["SubscriptionArn"]

    def read():
        told = []
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            told += [json.loads(each["Body"]) for each in found]
            for each in found:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
        return {each["AlarmName"]: each["NewStateValue"] for each in told}

    yield read
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)


def test_each_alarm_tells_that_it_went_off_and_that_it_is_over(stack, emulator, noticed):
    cloudwatch = emulator.client("cloudwatch")
    alarms = [
        each
        for page in cloudwatch.get_paginator("describe_alarms").paginate()
        for each in page["MetricAlarms"]
        if stack.outputs["NoticeTopicArn"] in each["AlarmActions"]
    ]
    queues = {each["Value"] for alarm in alarms for each in alarm["Dimensions"] if each["Name"] == "QueueName"}
    assert queues >= {f"{stack.name}-{each}" for each in ("brain_mri", "brain_tumour", "he_tissue", "he_tissue-dead")}
    names = {each["AlarmName"] for each in alarms}
    assert len(names) >= 12  # two of each model and of each function, of the API, and of the topic
    for state in ("ALARM", "OK"):
        for name in names:
            cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
        assert noticed() == dict.fromkeys(names, state)


def test_notices_go_to_the_address_that_was_given(emulator):
    topic = Stack(emulator, "told", Notify="doctor@example.org").outputs["NoticeTopicArn"]
    (subscription,) = emulator.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "doctor@example.org")


@pytest.mark.parametrize(
    "given",
    [{"Notify": "somebody"}, {"PythonVersion": "3.11"}, {"OldestMessageSeconds": "1"}, {"LogDays": "2"}],
    ids=str,
)
def test_a_value_that_would_not_work_is_refused_before_anything_is_made(emulator, given):
    with pytest.raises(ClientError, match=next(iter(given))):
        Stack(emulator, "refused", **given)


def test_the_dashboard_shows_what_the_stack_has(stack, emulator):
    body = emulator.client("cloudwatch").get_dashboard(DashboardName=stack.name)["DashboardBody"]
    shown = [each["properties"] for each in json.loads(body)["widgets"]]
    metrics = [each for widget in shown for each in widget["metrics"]]
    searched = [each[0]["expression"] for each in metrics if isinstance(each[0], dict)]
    assert len(searched) == 4
    assert all(stack.name in each for each in searched)
    named = {each[3] for each in metrics if not isinstance(each[0], dict)}
    assert named >= {stack.resource("FrontendFunction"), stack.resource("AuthoriserFunction")}
    assert stack.outputs["TopicArn"].rsplit(":", 1)[-1] in named
    assert {each["region"] for each in shown} == {REGION}


@pytest.fixture
def as_frontend(stack, emulator):
    """Makes clients with the rights of the function behind the API."""
    arn = emulator.client("iam").get_role(RoleName=stack.resource("FrontendRole"))["Role"]["Arn"]
    given = emulator.role(arn)

    def client(service):
        return get_session().create_client(
            service,
            region_name=REGION,
            endpoint_url=emulator.url,
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=given["AWS_SESSION_TOKEN"],
        )

    return client


def test_the_function_asks_its_models_queues_and_no_other(stack, emulator, as_frontend):
    """Another's queue, though its name begins with this stack's, as "oncoserve-test-brain_mri" does."""
    sqs = as_frontend("sqs")
    for queue in ("brain_mri", "brain_mri-dead"):
        url = sqs.get_queue_url(QueueName=f"{stack.name}-{queue}")["QueueUrl"]
        assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
        for ask in (sqs.receive_message, sqs.purge_queue):
            with pytest.raises(ClientError, match="AccessDenied"):
                ask(QueueUrl=url)
    other = emulator.client("sqs").create_queue(QueueName=f"{stack.name}-test-brain_mri")["QueueUrl"]
    try:
        with pytest.raises(ClientError, match="AccessDenied"):
            sqs.get_queue_attributes(QueueUrl=other, AttributeNames=["ApproximateNumberOfMessages"])
    finally:
        emulator.client("sqs").delete_queue(QueueUrl=other)


def test_the_function_reads_no_keys_and_is_told_what_is_not_there(stack, keys, as_frontend):
    s3, bucket = as_frontend("s3"), stack.outputs["BucketName"]
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="uploads/nothing")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=bucket, Key="config/api_keys")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="results/keys/ward/x/result.json", Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        as_frontend("dynamodb").scan(TableName=stack.outputs["TableName"])
