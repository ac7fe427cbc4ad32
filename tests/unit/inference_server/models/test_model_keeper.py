"""Which processes are a model's own: beside it one of a version that was replaced may still be ending."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from inference_server.models.backend_processes import STUB
from inference_server.models.model_keeper import ModelKeeper
from inference_server.triton_control import ControlFailed


@pytest.fixture
def processes(tmp_path):
    """Two children that run versions 1 and 2 of a model, as far as their command lines tell."""
    started = {}
    for version in (1, 2):
        graph = tmp_path / "model" / str(version) / "model.onnx"
        graph.parent.mkdir(parents=True)
        graph.write_text("import time; time.sleep(60)")
        started[version] = subprocess.Popen([str(tmp_path / STUB), str(graph)], executable=sys.executable)
    time.sleep(0.1)
    yield tmp_path / "model", {version: each.pid for version, each in started.items()}
    for each in started.values():
        each.kill()
        each.wait()


@pytest.mark.parametrize(("served", "own"), [([2], {2}), ([1, 2], {1, 2}), (None, {1, 2})])
async def test_a_version_that_is_not_served_any_more_is_not_watched(processes, served, own):
    folder, pids = processes

    async def versions(model):
        assert model == "model"
        if served is None:
            raise ControlFailed("it does not answer")
        return served

    triton = SimpleNamespace(pid=os.getpid(), exit_code=None)
    keeper = ModelKeeper("model", folder, triton, SimpleNamespace(versions=versions), None, None, None, None)
    assert {each.pid for each in await keeper._find()} == {pids[version] for version in own}
