"""A graph that never ends, and a command that is ended while it computes it: nothing stays behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from testbed.servers import PROJECT
from tests.unit.model_export.own.graphs import CLASSES, classifier

LONG_S = 60
MARK = "OF_THE_TEST"


@pytest.fixture
def endless(tmp_path):
    model = onnx.load(classifier(tmp_path / "endless.onnx"))
    kinds = {"round": (TensorProto.INT64, []), "on": (TensorProto.BOOL, []), "x": (TensorProto.FLOAT, ["n", CLASSES])}
    values = {name: helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()}
    kept = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("on", "x")]
    results = [helper.make_tensor_value_info(f"{name}_out", *kinds[name]) for name in ("on", "x")]
    body = helper.make_graph(kept, "body", list(values.values()), results)
    model.graph.node.append(helper.make_node("Loop", ["rounds", "yes", "out"], ["last"], body=body))
    model.graph.initializer.append(numpy_helper.from_array(np.array(2**62), "rounds"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.output[0].name = "last"
    onnx.save(model, tmp_path / "endless.onnx")
    return tmp_path / "endless.onnx"


def computing(mark):
    """The processes that the command has started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and "model_export.own.trial" in process.cmdline():
                found.append(process)
    return found


def until(look):
    deadline = time.monotonic() + LONG_S
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_ends_the_command_ends_what_it_has_started(endless, tmp_path, number):
    def add():
        command = [sys.executable, "-m", "oncoserve", "models", "add", endless, "--name", "theirs"]
        command += ["--task", "classification", "--classes", "a,b,c", "--data", tmp_path / "home"]
        environ = {**os.environ, MARK: str(tmp_path)}
        return subprocess.Popen(list(map(str, command)), cwd=PROJECT, env=environ, stderr=subprocess.PIPE, text=True)

    def beside():
        return sorted(path.name.partition("-")[0] for path in (tmp_path / "home").iterdir())

    process = add()
    until(lambda: computing(str(tmp_path)))
    process.send_signal(number)
    _, told = process.communicate(timeout=LONG_S)
    until(lambda: not computing(str(tmp_path)))
    assert "Traceback" not in told
    if number != signal.SIGKILL:
        assert (process.returncode, told.splitlines()[-1]) == (130, "oncoserve: stopped.")
    else:  # what nobody could take away goes with the next one
        assert beside() == [".adding"]
        process = add()
        until(lambda: computing(str(tmp_path)))
        assert beside() == [".adding"]
        process.terminate()
        process.communicate(timeout=LONG_S)
    assert beside() == []
