"""The package of the functions."""

import os
import subprocess
import sys
import zipfile

from deploy.aws import package
from testbed.servers import PROJECT

IMPORT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import frontend.serverless.authoriser
from frontend.serverless.function import handler
request = {{"method": "GET", "path": "/livez", "sourceIp": "192.0.2.1"}}
event = {{"version": "2.0", "headers": {{}}, "requestContext": {{"http": request}}}}
print(handler(event, None)["statusCode"])
"""
# What the distributions that are left out are imported as.
MODULES = {"fastapi_offline", "grpc", "httptools", "ml_dtypes", "rapidjson", "tritonclient", "uvicorn", "uvloop"}


def test_the_functions_do_without_what_is_left_out_and_without_the_checkout(tmp_path):
    path = tmp_path / "package.zip"
    package.write(path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "task")
    settings = {"JOBS": "aws", "AWS_BUCKET": "b", "AWS_TABLE": "t", "AWS_TOPIC": "a", "AWS_QUEUE_PREFIX": "p-"}
    environment = os.environ | {f"ONCO_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(blocked=MODULES)],
        cwd=tmp_path / "task", env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["200"]), done.stderr
    assert len(MODULES) == len(package.NOT_NEEDED)


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
