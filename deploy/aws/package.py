"""`python -m deploy.aws.package build/oncoserve-lambda.zip`: the package of both Lambda functions.

It holds the frontend, the models' cards and the locked packages of the running version of Python, for Lambda's machine
(x86_64 Linux). Lambda takes 250 MB, unpacked; what the functions do without is left out.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = ("frontend", "oncoserve", "supervision")
LOCKS = ("requirements-frontend.lock", "requirements-aws.lock")
# Triton's client and the server process; nothing that the functions import asks for them, which a test tries.
NOT_NEEDED = frozenset(
    {"fastapi-offline", "grpcio", "httptools", "ml-dtypes", "python-rapidjson", "tritonclient", "uvicorn", "uvloop"}
)
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
LIMIT_BYTES = 250 * 10**6
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content makes the same file


def write(path: Path, packages: Path | None = None) -> int:
    """Write the package.

    Args:
        path: of the zip file.
        packages: folder of what else belongs into it.

    Returns:
        The size of what is in it, in bytes.
    """
    own = [
        *(file for room in ROOMS for file in (PROJECT / room).rglob("*.py")),
        *(PROJECT / "model_repository").glob("*/card.json"),
    ]
    found = {file.relative_to(PROJECT): file for file in own}
    if packages is not None:
        found |= {file.relative_to(packages): file for file in packages.rglob("*") if file.is_file()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(found.items()):
            entry = zipfile.ZipInfo(str(name), EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
        return sum(entry.file_size for entry in archive.infolist())


def requirements(locks: Iterable[str]) -> str:
    """The locks' pins, each once, without what is not needed."""
    pins = {}
    for lock in locks:
        for pin in re.split(r"\n(?=\S)", lock.strip()):
            pins[pin.splitlines()[0]] = pin
    return "\n".join(pin for first, pin in pins.items() if first.split("==")[0] not in NOT_NEEDED)


def install(folder: Path) -> None:
    """Install the locked packages into a folder, as they are for Lambda's machine."""
    lock = folder.with_suffix(".lock")
    lock.write_text(requirements((PROJECT / name).read_text() for name in LOCKS))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--platform={each}" for each in PLATFORMS]
    command += [f"--python-version={sys.version_info.major}.{sys.version_info.minor}", f"--target={folder}"]
    subprocess.run([*command, f"--requirement={lock}"], check=True)  # noqa: S603 - our own lock


def main() -> None:
    """Write the package, and say what the stack has to be told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder) / "packages"
        install(packages)
        size = write(path, packages)
    if size > LIMIT_BYTES:
        sys.exit(f"{path} has {size} bytes, unpacked; Lambda takes {LIMIT_BYTES}")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    print(f"{path}: {path.stat().st_size >> 20} MB, {size >> 20} MB unpacked; parameter PythonVersion={version}")


if __name__ == "__main__":
    main()
