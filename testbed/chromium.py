"""Debian's Chromium, driven by Playwright."""

import shutil
from typing import Final

from playwright.sync_api import Browser, BrowserType

# No calls home, and no sandbox, which a container's root user cannot have.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """Path of the browser, if it is installed."""
    return shutil.which("chromium")


def launch(browser_type: BrowserType, path: str) -> Browser:
    """Start the browser at `path` without a window."""
    return browser_type.launch(executable_path=path, args=ARGUMENTS, timeout=120_000)
