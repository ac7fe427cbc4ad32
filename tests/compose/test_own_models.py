"""Models of one's own in containers, by docker-compose.models.yml alone; long, since it builds one image more."""

import time

import pytest

from testbed.servers import PROJECT
from tests.compose.stack import LONGEST_BUILD_S, Stack
from tests.unit.model_export.own.graphs import SIDE, classifier

pytestmark = [pytest.mark.timeout(1800), pytest.mark.long]
FILES = [PROJECT / "docker-compose.models.yml"]
CLASSES = ("--task", "classification", "--classes", "a,b,c")
LONGEST_S = 60


def until(look):
    deadline = time.monotonic() + LONGEST_S
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return found


def test_what_is_added_is_served_beside_the_projects_models(engine, tmp_path):
    classifier(tmp_path / "theirs.onnx", size=(SIDE, SIDE))
    tmp_path.chmod(0o755)  # the container's user is another one
    with Stack(GIVEN=tmp_path) as stack:

        def compose(*arguments):
            return stack.compose(*arguments, files=FILES, timeout_s=LONGEST_BUILD_S)

        def served():
            return stack.client.get("/readyz").json()["models"]

        compose("build", "own-models")
        compose("up", "--detach", "--wait")
        ours = served()
        assert "brain_mri" in ours
        compose("run", "--rm", "models", "add", "/given/theirs.onnx", "--name", "theirs", *CLASSES)
        until(lambda: "theirs" in served())
        compose("run", "--rm", "models", "check", "theirs")
        again = ("models", "add", "/given/theirs.onnx", "--name", "theirs", "--version", "new", *CLASSES)
        compose("run", "--rm", *again)
        until(lambda: stack.client.get("/v1/models/theirs").json()["version"] == "2")
        compose("restart", "triton", "frontend")
        compose("up", "--detach", "--wait")
        assert served() == sorted([*ours, "theirs"])
        compose("run", "--rm", "models", "remove", "theirs")
        until(lambda: served() == ours)
        code, output = stack.try_compose("run", "--rm", "models", "remove", "brain_mri", files=FILES)
        assert (code, "was not made by" in output) == (2, True), output
        compose("down", "--volumes", "--rmi", "all")
