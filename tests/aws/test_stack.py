"""What the stack holds when it is made."""

import base64
import subprocess

import pytest

from oncoserve.jobs.aws.clients import Connection
from oncoserve.jobs.aws.s3_objects import S3Objects
from testbed.aws_emulator import REGION


@pytest.mark.parametrize("model", ["brain_mri", "he_tissue"])
def test_a_worker_s_machine_starts_triton_and_the_worker_of_its_model(stack, emulator, model):
    logical = "Template" + "".join(part.capitalize() for part in model.split("_"))
    template = stack.resource(logical)
    versions = emulator.client("ec2").describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Latest"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    script = base64.b64decode(data["UserData"]).decode()
    assert subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).stderr == ""
    words = script.split()
    for name, value in (stack.settings | {"job_models": model}).items():
        if name != "aws_endpoint_url":
            assert f"ONCO_{name.upper()}={value}" in words
    assert '"${@:2}"' in words
    assert data["MetadataOptions"]["HttpTokens"] == "required"


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


async def test_addresses_on_aws_are_of_the_bucket_s_own_host_or_of_the_cdn(emulator, monkeypatch):
    """Made without asking anybody. CloudFront's origin is the bucket's host, for which the signature holds."""
    monkeypatch.setenv("AWS_REGION", REGION)
    connection = Connection()
    plain = await S3Objects(connection, "bucket").presign_get("results/a b", 60)
    cdn = await S3Objects(connection, "bucket", "d1.cloudfront.net").presign_get("results/a b", 60)
    await connection.close()
    assert plain.startswith(f"https://bucket.s3.{REGION}.amazonaws.com/results/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert cdn.startswith("https://d1.cloudfront.net/results/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert "X-Amz-SignedHeaders=host&" in plain
