"""axe-core (Deque, MPL-2.0) from npm, at the version and hash of package-lock.json; for tests only."""

import shutil
import subprocess
from pathlib import Path

from playwright.sync_api import Page

from testbed.servers import PROJECT

HERE = Path(__file__).parent
FOLDER = PROJECT / "build/browser"
SCRIPT = FOLDER / "node_modules/axe-core/axe.min.js"
LISTS = ("package.json", "package-lock.json")


def install() -> str | None:
    """Install it below build/, unless it is there; returns why that is impossible."""
    if SCRIPT.exists() and all((FOLDER / name).read_bytes() == (HERE / name).read_bytes() for name in LISTS):
        return None
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed, which axe-core comes from"
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in LISTS:
        shutil.copy(HERE / name, FOLDER)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True, text=True
    )
    return f"npm ci failed: {done.stderr[-400:]}" if done.returncode else None


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong on the page as it is now: WCAG 2.2 A and AA, and its own best practices."""
    page.evaluate(SCRIPT.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]
