"""What was found is kept with a job's record in DynamoDB: lists tell it, and nobody reads S3 for it."""

import json

from oncoserve.jobs.finding import MAX_BYTES
from tests.aws.conftest import ended
from tests.aws.test_journey import submit


def test_a_list_tells_what_was_found_when_s3_has_nothing_left(api, start_worker, stack, emulator, samples):
    start_worker(emulator.url)
    ward = api("ward")
    one, several = (ended(ward, submit(ward, pictures)) for pictures in (samples[:1], samples))
    bucket, s3 = stack.outputs["BucketName"], emulator.client("s3")
    stored = [
        each["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="results/keys/ward/")
        for each in page.get("Contents", [])
    ]
    assert len([key for key in stored if key.endswith("/result.json")]) >= len(samples)
    for key in stored:
        s3.delete_object(Bucket=bucket, Key=key)
    assert ward.get(one["images"][0]["links"]["result"]).status_code == 404

    listed = {job["id"]: job for job in ward.get("/v1/jobs").raise_for_status().json()["jobs"]}
    found = listed[one["id"]]["finding"]
    assert (found["labels"], found["image"]["label"]) == ({"glioma": 1}, "glioma")
    assert 0.5 < found["image"]["probability"] <= 1
    many = ward.get(several["links"]["self"]).json()
    assert many["images"][0]["finding"] == found["image"]
    assert listed[many["id"]]["finding"] == many["finding"]
    assert sum([*many["finding"]["labels"].values(), *many["finding"]["undetermined"].values()]) == len(samples)
    assert many["finding"]["image"] is None


def test_the_items_in_the_table(api, start_worker, stack, emulator, sample):
    """As whoever reads the table by other means finds them: user, time, and what was found."""
    start_worker(emulator.url)
    lab = api("lab")
    job = ended(lab, submit(lab, [sample]))
    image, record = emulator.client("dynamodb").query(
        TableName=stack.outputs["TableName"],
        KeyConditionExpression="job_id = :job",
        ExpressionAttributeValues={":job": {"S": job["id"]}},
    )["Items"]
    assert (record["user_id"]["S"], record["created"]["S"][:19]) == ("lab", job["created"][:19])
    kept = json.loads(image["outcome"]["S"])["finding"]
    assert kept | {"slice": None} == job["images"][0]["finding"]
    assert len(json.dumps(kept).encode()) < MAX_BYTES / 4
    assert job["id"] not in [each["id"] for each in api("ward").get("/v1/jobs").json()["jobs"]]
