"""Workers that are killed at random, and one picture that kills the worker that reads it."""

import os

from loadtest.jobs.chaos import chaos

COUNT = 40


async def test_nothing_is_lost_and_nothing_doubled(server, repository, tmp_path):
    settings = {
        "ONCO_INFERENCE_URL": server.grpc_url,
        "ONCO_MODEL_REPOSITORY": str(repository),
        "ONCO_RESULTS_DIR": str(tmp_path / "results"),
        "ONCO_JOB_LEASE_S": "1",
        "ONCO_JOB_MAX_ATTEMPTS": "4",
    }
    before = dict(os.environ)
    report = await chaos(settings, tmp_path, COUNT, workers=2, kill_every_s=1.5)
    assert report.sound, report
    assert dict(os.environ) == before
    assert report.succeeded == COUNT - 1
    assert max(1, 4 - report.killed) <= report.died <= 4  # a kill at random may take the poison's worker, too
    assert report.killed > 0
    assert "begun 4 times. The worker's process ended each time." in report.dead[0].reason
    assert "Traceback" not in (tmp_path / "workers.log").read_text()
