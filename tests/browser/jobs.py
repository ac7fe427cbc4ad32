"""Jobs on the page."""

import re

from playwright.sync_api import Page, expect

START_S = 60  # a worker's process has to start first


def wait_until_done(page: Page, timeout_s: float = START_S) -> None:
    """Wait on a job's page until every picture has ended."""
    expect(page.locator("#job-status")).to_have_text(re.compile("^Done"), timeout=timeout_s * 1000)
