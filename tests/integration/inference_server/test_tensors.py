"""Clients that bring tensors, by the commands of docs/your_model.md."""

import json
import re
import subprocess
import sys

import pytest

from testbed.servers import PROJECT, TritonServer, free_port

GUIDE = (PROJECT / "docs/your_model.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(scope="module")
def triton(embedded_triton, model_repository, tmp_path_factory):
    port = free_port()
    with TritonServer(model_repository, tmp_path_factory.mktemp("triton"), http_port=port) as server:
        server.http_port = port
        yield server


def test_tritonclient(triton, tmp_path):
    (code,) = (each for each in blocks("python") if "tritonclient" in each)
    code = code.replace("localhost:8001", triton.grpc_url)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\[\[[\d. e+-]+\]\]\n", done.stdout)


def test_curl(triton, tmp_path):
    (lines,) = blocks("sh")
    answers = []
    for line in lines.replace("localhost:8000", f"localhost:{triton.http_port}").splitlines():
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout)
    described, _, answered = answers
    assert json.loads(described)["inputs"][0] == {"name": "image", "datatype": "UINT8", "shape": [-1, 240, 240, 3]}
    (probabilities,) = [each for each in json.loads(answered)["outputs"] if each["name"] == "probabilities"]
    assert sum(probabilities["data"]) == pytest.approx(1, abs=1e-3)
