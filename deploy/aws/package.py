"""`python -m deploy.aws.package build/oncoserve-lambda.zip --python 3.13`: the package of the Lambda functions.

It holds the frontend, the models' cards and the locked packages, for the Python and the processor of the functions,
whatever this machine has; every compiled library in it is checked for them. Lambda takes 250 MB, unpacked; what the
functions do without is left out.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from deploy.aws.lambda_runtime import LambdaRuntime, UnfitPackage, Version
from oncoserve.runtime.files import write_whole

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = ("frontend", "oncoserve", "supervision")
LOCKS = ("requirements-frontend.lock", "requirements-aws.lock")
# Triton's client, the server process, what writes DICOM and speaks to a PACS, the decoder of lossless JPEG, SQL;
# nothing that the functions import asks for them, which a test tries.
NOT_NEEDED = frozenset(
    {
        "alembic",
        "asn1crypto",
        "dicom-anonymizer",
        "dicomweb-client",
        "fastapi-offline",
        "grpcio",
        "highdicom",
        "httpcore",
        "httptools",
        "httpx",
        "imagecodecs",
        "mako",
        "ml-dtypes",
        "pg8000",
        "pynetdicom",
        "python-rapidjson",
        "retrying",
        "scramp",
        "sqlalchemy",
        "tqdm",
        "tritonclient",
        "uvicorn",
        "uvloop",
    }
)
DEFAULT_PYTHON, DEFAULT_ARCHITECTURE = (3, 13), "x86_64"  # as in pipeline.yaml
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


def install(folder: Path, python: Version, platforms: Iterable[str]) -> None:
    """Install the locked packages into a folder, as they are for another machine.

    Args:
        folder: Gets them.
        python: That machine's.
        platforms: The wheels that it takes, best first.

    Raises:
        UnfitPackage: There is no wheel of a package for it.
    """
    lock = folder.with_suffix(".lock")
    lock.write_text(requirements((PROJECT / name).read_text() for name in LOCKS))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--platform={each}" for each in platforms]
    command += [f"--python-version={'.'.join(map(str, python))}", f"--target={folder}", f"--requirement={lock}"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own lock
    if done.returncode:
        last = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), "pip failed")
        raise UnfitPackage(f"The packages cannot be had for Python {'.'.join(map(str, python))}: {last}")


def build(path: Path, python: Version = DEFAULT_PYTHON, architecture: str = DEFAULT_ARCHITECTURE) -> str:
    """Make and check the package; nothing is written where it does not fit.

    Args:
        path: Of the zip file.
        python: Of the functions.
        architecture: Of the functions, "x86_64" or "arm64".

    Returns:
        What it is, in words.

    Raises:
        UnfitPackage: Lambda could not run it.
    """
    runtime = LambdaRuntime(python, architecture)
    with tempfile.TemporaryDirectory() as folder:
        packages, made = Path(folder) / "packages", Path(folder) / "package.zip"
        install(packages, python, runtime.platforms)
        libraries = runtime.check(packages)
        size = write(made, packages)
        if size > LIMIT_BYTES:
            raise UnfitPackage(f"The package has {size} bytes, unpacked; Lambda takes {LIMIT_BYTES}")
        write_whole(path, made.read_bytes())
    version = ".".join(map(str, python))
    return (
        f"{path}: {path.stat().st_size >> 20} MB, {size >> 20} MB unpacked, {libraries} compiled libraries that run on "
        f"Lambda's Python {version} on {architecture}; parameters PythonVersion={version} Architecture={architecture}"
    )


def main() -> None:
    """Write the package, and say what the stack has to be told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--python", type=_version, default=DEFAULT_PYTHON, metavar="3.13", help="of the functions")
    parser.add_argument("--architecture", default=DEFAULT_ARCHITECTURE, metavar="x86_64|arm64", help="of the functions")
    given = parser.parse_args()
    try:
        print(build(given.path, given.python, given.architecture))
    except UnfitPackage as error:
        sys.exit(f"{error}. No package was written.")


def _version(text: str) -> Version:
    return tuple(map(int, text.split(".")))


if __name__ == "__main__":
    main()
