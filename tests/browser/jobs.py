"""Jobs on the page."""

import re

from playwright.sync_api import Page, expect

START_S = 120  # a worker's process has to start first


def wait_until_done(page: Page, timeout_s: float = START_S) -> None:
    """Wait on a job's page until every picture has ended, and what each gave is on show."""
    ended = re.compile("^(Done|Partly done|Failed):")
    expect(page.locator("#job-status")).to_have_text(ended, timeout=timeout_s * 1000)
    rows = page.locator("#image-rows tr")
    expect(rows.locator("img")).to_have_count(rows.and_(page.locator(".succeeded")).count())
