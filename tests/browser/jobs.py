"""Jobs on the page."""

import re
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from testbed.servers import FrontendServer

START_S = 120  # a worker's process has to start first


def wait_until_done(page: Page, timeout_s: float = START_S) -> None:
    """Wait on a job's page until every picture has ended, and what each gave is on show."""
    expect(page.locator("#job-status")).to_have_text(re.compile("^Done"), timeout=timeout_s * 1000)
    rows = page.locator("#image-rows tr")
    expect(rows.locator("img")).to_have_count(rows.and_(page.locator(".succeeded")).count())


def job_that_ended(frontend: FrontendServer, files: Sequence[Path | tuple[str, bytes]]) -> str:
    """Hand in a job without the page, wait for its end, and return the path of its page."""
    pictures = [(each.name, each.read_bytes()) if isinstance(each, Path) else each for each in files]
    with httpx.Client(base_url=frontend.url, timeout=START_S) as http:
        parts = [("images", each) for each in pictures]
        job = http.post("/v1/jobs", data={"model": "brain_mri"}, files=parts).raise_for_status().json()
        deadline = time.monotonic() + START_S
        while job["state"] in {"QUEUED", "RUNNING"}:
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
            job = http.get(job["links"]["self"]).raise_for_status().json()
    return f"/jobs/{job['id']}"
