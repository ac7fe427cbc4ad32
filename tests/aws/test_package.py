"""The Lambda functions' package, and the functions run from it with nothing else of this machine but a Python."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.aws import package
from deploy.aws.lambda_runtime import PYTHONS, LambdaRuntime, UnfitPackage
from testbed.aws_environment import own_packages
from testbed.aws_template import read_template
from testbed.servers import PROJECT

# -I: no PYTHONPATH, no folder of the user's; -S: no site-packages. The unpacked package alone is on the path.
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import frontend.serverless.authoriser
from frontend.serverless.function import handler
request = {"method": "GET", "path": "/livez", "sourceIp": "192.0.2.1"}
event = {"version": "2.0", "headers": {}, "requestContext": {"http": request}}
print(sys.version_info[:2], handler(event, None)["statusCode"])
elsewhere = {m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)}
print(sorted(f for f in elsewhere if "site-packages" in f or "dist-packages" in f))
"""
SETTINGS = {"JOBS": "aws", "AWS_BUCKET": "b", "AWS_TABLE": "t", "AWS_TOPIC": "a", "AWS_QUEUE_PREFIX": "p-"}


def interpreter(version):
    """A Python of that version on this machine, or None."""
    name = "python" + ".".join(map(str, version))
    places = [*map(Path, os.environ.get("PATH", "").split(os.pathsep)), *Path.home().glob(".pyenv/versions/*/bin")]
    for path in (place / name for place in places):
        if path.is_file():
            done = subprocess.run(
                [path, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True
            )
            if done.stdout.strip() == str(version):
                return path
    return None


def call(python, task):
    """Run both functions from an unpacked package: exit code, what was printed, what went wrong."""
    environment = {"AWS_REGION": "eu-central-1"} | {f"ONCO_{name}": value for name, value in SETTINGS.items()}
    done = subprocess.run(
        [python, "-I", "-S", "-c", RUN, task], cwd="/", env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout.splitlines()[-2:], done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The package as it is deployed, and where it lies unpacked."""
    folder = tmp_path_factory.mktemp("package")
    words = package.build(folder / "package.zip")
    with zipfile.ZipFile(folder / "package.zip") as archive:
        archive.extractall(folder / "task")
    return folder / "task", words


@pytest.mark.long
def test_the_deployed_package_is_checked_for_its_python_and_processor(built):
    task, words = built
    compiled = int(re.search(r"(\d+) compiled libraries", words)[1])
    assert compiled == len({path.resolve() for path in task.rglob("*.so*")}) > 50
    assert "PythonVersion=3.13 Architecture=x86_64" in words
    parameters = read_template("pipeline")["Parameters"]
    assert parameters["PythonVersion"]["Default"] == "3.13"
    assert parameters["PythonVersion"]["AllowedValues"] == [".".join(map(str, each)) for each in PYTHONS]
    assert parameters["Architecture"]["Default"] == "x86_64"


def test_both_functions_run_from_the_deployed_package_alone(built):
    python = interpreter((3, 13))
    if python is None:
        pytest.skip(
            "no Python 3.13 on this machine; the test after this one runs the same with the Python that is here"
        )
    code, printed, told = call(python, built[0])
    assert (code, printed) == (0, ["(3, 13) 200", "[]"]), told


@pytest.mark.long
def test_both_functions_run_from_a_package_for_this_python_alone(tmp_path):
    """What the emulator is given: complete for the Python that runs there."""
    package.write(tmp_path / "package.zip", own_packages())
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        archive.extractall(tmp_path / "task")
    code, printed, told = call(sys.executable, tmp_path / "task")
    assert (code, printed) == (0, [f"{sys.version_info[:2]} 200", "[]"]), told


@pytest.mark.parametrize(
    ("python", "architecture", "words"),
    [
        ((3, 11), "x86_64", r"Lambda's Python 3\.11 is on Amazon Linux 2, whose glibc 2\.26 is too old"),
        ((3, 9), "x86_64", "too old"),
        ((3, 99), "x86_64", r"Python 3\.99 cannot run the functions: take one of 3\.12, 3\.13"),
        ((3, 13), "sparc", "Lambda has no sparc"),
    ],
)
def test_a_runtime_that_cannot_work_is_refused_before_anything_is_fetched(tmp_path, python, architecture, words):
    with pytest.raises(UnfitPackage, match=words):
        package.build(tmp_path / "package.zip", python, architecture)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_package_without_a_wheel_for_the_processor_is_told(tmp_path):
    """One of the packages has none for arm64 today; when it has, this test goes."""
    with pytest.raises(UnfitPackage, match=r"cannot be had for Python 3\.13: ERROR"):
        package.build(tmp_path / "package.zip", (3, 13), "arm64")
    assert list(tmp_path.iterdir()) == []


SOURCE = """
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <stdlib.h>
uint32_t arc4random(void);  /* glibc 2.36 */
uint32_t chance(void) { return arc4random(); }
"""


def library(folder, source):
    (folder / "source.c").write_text(source)
    command = ["cc", "-shared", "-fPIC", "-o", folder / "library.so", folder / "source.c"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0


def test_a_library_that_needs_a_newer_c_library_is_named(tmp_path, unavailable):
    if shutil.which("cc") is None or not library(tmp_path, SOURCE):
        unavailable("compiler", "a C compiler with a glibc that has arc4random")
    with pytest.raises(UnfitPackage, match=r"library\.so needs GLIBC_2\.36, Amazon Linux 2023 has GLIBC_2\.34"):
        LambdaRuntime((3, 13), "x86_64").check(tmp_path)


def test_a_library_for_another_processor_is_named(tmp_path, unavailable):
    if shutil.which("cc") is None or not library(tmp_path, "int two(void) { return 2; }"):
        unavailable("compiler", "a C compiler")
    assert LambdaRuntime((3, 13), "x86_64").check(tmp_path) == 1
    with pytest.raises(UnfitPackage, match=r"library\.so is for EM_X86_64, not for arm64"):
        LambdaRuntime((3, 13), "arm64").check(tmp_path)
    (tmp_path / "windows.so").write_bytes(b"MZ")
    with pytest.raises(UnfitPackage, match=r"windows\.so is no library for Linux"):
        LambdaRuntime((3, 13), "x86_64").check(tmp_path)


def test_the_same_content_makes_the_same_file(tmp_path):
    for name in ("one", "two"):
        package.write(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_its_packages_are_the_locked_ones_each_once():
    text = package.requirements((PROJECT / name).read_text() for name in package.LOCKS)
    pins = [line.split("==")[0] for line in text.splitlines() if line and not line.startswith(" ")]
    assert {"fastapi", "aiobotocore", "mangum", "pillow"} <= set(pins)
    assert not set(pins) & package.NOT_NEEDED
    assert [name for name in set(pins) if pins.count(name) > 1] == ["numpy"]  # one by version of Python
    assert text.count("--hash=") > len(pins)
