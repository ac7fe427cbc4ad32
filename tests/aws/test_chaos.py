"""Workers that are killed at random, and one picture that kills its worker; on S3, SQS and DynamoDB."""

import pytest

from loadtest.jobs.chaos import MODEL, chaos
from testbed.aws_emulator import Stack
from testbed.servers import TritonServer
from testbed.tiny_models import write_classifier

COUNT = 24


@pytest.fixture
def tiny(embedded_triton, tmp_path):
    write_classifier(tmp_path / "models", MODEL, size=64)
    with TritonServer(tmp_path / "models", tmp_path) as running:
        yield running


async def test_nothing_is_lost_and_nothing_doubled(tiny, emulator, tmp_path):
    stack = Stack(emulator, "chaos", {"Model": MODEL}, storage_only=True)
    settings = stack.settings | {
        "inference_url": tiny.grpc_url,
        "model_repository": str(tmp_path / "models"),
        "results_dir": str(tmp_path / "results"),
        "job_lease_s": "2",
        "job_max_attempts": "2",
    }
    environment = {f"ONCO_{name.upper()}": value for name, value in settings.items()}
    report = await chaos(environment, tmp_path, COUNT, workers=2, kill_every_s=120)
    assert report.sound, report
    assert report.killed > 0
    assert max(1, 2 - report.killed) <= report.died <= 2  # a kill at random may take the poison's worker, too
    assert "begun 2 times. The worker's process ended each time." in report.dead[0].reason
    published = emulator.client("s3").list_objects_v2(Bucket=stack.outputs["BucketName"], Prefix="results/")["Contents"]
    assert sum(each["Key"].endswith("/result.json") for each in published) == COUNT - 1
    kept = emulator.client("s3").list_objects_v2(Bucket=stack.outputs["BucketName"], Prefix="jobs/")
    assert kept["KeyCount"] == 1  # of the image that was given up, so that it can be tried again
