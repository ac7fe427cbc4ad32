import csv
import io
import subprocess
import sys

import onnxruntime
import pytest

from testbed.servers import PROJECT


def batching(*arguments):
    command = [sys.executable, "-m", "loadtest.batching", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600)


def test_the_script_runs_on_a_cpu(embedded_triton, tmp_path):
    options = ["--rounds", "1", "--seconds", "1", "--connections", "1", "32", "--clients", "2", "--out", str(tmp_path)]
    done = batching("--cpu", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "raw.csv").read_text())))
    assert [(row["server"], row["connections"]) for row in rows] == [
        (name, count) for name in ("batching", "one_at_a_time") for count in ("1", "32")
    ]
    assert {row["errors"] for row in rows} == {"0"}
    batches = [float(row["mean_batch"]) for row in rows]
    assert batches[1] > 1.5
    assert batches[2:] == [1, 1]
    assert "CPU (a trial of the script)" in (tmp_path / "table.md").read_text()


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so():
    done = batching()
    assert done.returncode == 1
    assert "onnxruntime-gpu" in done.stdout
