"""SageMaker's notices, in the form that its documentation gives, with and without SNS's envelope."""

import json

import pytest

from oncoserve.jobs.sagemaker.notices import Notice, read_notice

ID = f"{'0' * 31}a-12-0123abcd"
COMPLETED = {
    "awsRegion": "eu-central-1",
    "eventTime": "2026-11-27T22:46:00.608Z",
    "receivedTime": "2026-11-27T22:46:00.455Z",
    "invocationStatus": "Completed",
    "requestParameters": {"endpointName": "oncoserve-tiny", "inputLocation": "s3://ours/jobs/0/12"},
    "responseParameters": {
        "contentType": "application/zip",
        "outputLocation": "s3://ours/sagemaker/answers/x.out",
    },
    "inferenceId": ID,
    "eventVersion": "1.0",
    "eventSource": "aws:sagemaker",
    "eventName": "InferenceResult",
}
FAILED = COMPLETED | {"invocationStatus": "Failed", "failureReason": "ClientError: 500", "responseParameters": None}


@pytest.mark.parametrize(
    "wrap", [lambda text: text, lambda text: json.dumps({"Type": "Notification", "Message": text})]
)
def test_both_kinds(wrap):
    job = "0" * 31 + "a"
    assert read_notice(wrap(json.dumps(COMPLETED)), "ours") == Notice(ID, job, 12, "sagemaker/answers/x.out")
    assert read_notice(wrap(json.dumps(FAILED)), "ours") == Notice(ID, job, 12, None, "ClientError: 500")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"inferenceId": None}, "inferenceId is ''"),
        ({"inferenceId": ID + "\n"}, "inferenceId is"),
        ({"inferenceId": ID.replace("12", "1234567")}, "inferenceId is"),
        ({"inferenceId": "٣".join(ID.split("0", 1))}, "inferenceId is"),
        ({"invocationStatus": "Expired"}, "invocationStatus is 'Expired'"),
        ({"invocationStatus": None}, "invocationStatus is ''"),
        ({"responseParameters": None}, "its answer is elsewhere: ''"),
        ({"responseParameters": {"outputLocation": ["s3://ours/sagemaker/answers/x"]}}, "elsewhere: ''"),
        ({"responseParameters": {"outputLocation": "s3://ours2/sagemaker/answers/x"}}, "elsewhere"),
        ({"responseParameters": {"outputLocation": "s3://ours/jobs/0/1"}}, "elsewhere"),
    ],
)
def test_what_is_not_ours_is_refused_in_words(changed, why):
    with pytest.raises(ValueError, match=why):
        read_notice(json.dumps(COMPLETED | changed), "ours")
