import csv
import dataclasses
import io
import math
import re
import subprocess
import sys

import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from loadtest.batching import __main__ as command
from loadtest.batching import bare, batching_tables, repositories
from loadtest.batching.__main__ import main
from loadtest.batching.repositories import Variant
from loadtest.compare import runner, tiny_cnn
from loadtest.compare.runner import Point
from loadtest.compare.window import Window
from testbed.servers import PROJECT

CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
CONFIGURATIONS = sorted(PROJECT.glob("model_repository/*/configs/gpu.pbtxt"))


def run(module, *arguments):
    command = [sys.executable, "-m", f"loadtest.{module}", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600)


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.long
def test_the_script_runs_on_a_cpu(embedded_triton, tmp_path):
    options = ["--rounds", 1, "--seconds", 1, "--connections", "1,32", "--sizes", "1,4", "--instances", 1]
    options += ["--models", "tiny_cnn", "--precisions", "fp16", "--doors", "bare,grpc", "--clients", 2]
    done = run("batching", "--cpu", *options, "--out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(tmp_path / "raw.csv")
    assert [(row["server"].removeprefix("tiny_cnn fp16 "), row["connections"]) for row in found] == [
        ("bare", "1"),
        ("bare", "4"),
        *((f"grpc {name} x1", count) for name in ("on", "off") for count in ("1", "32")),
    ]
    assert {row["errors"] for row in found} == {"0"}
    assert all(float(row["throughput"]) > 0 for row in found)
    batches = [float(row["mean_batch"]) for row in found[2:]]
    assert batches[1] > 1.5
    assert batches[2:] == [1, 1]
    assert all(0 < float(row["clients_busy"]) < 1 for row in found[2:])
    table = (tmp_path / "table.md").read_text()
    assert "CPU (a trial of the script)" in table
    assert batching_tables.read([tmp_path / "raw.csv"])[3].mean_batch == batches[1]


@pytest.mark.skipif(CUDA, reason="there is a GPU here")
def test_without_a_gpu_it_says_so(tmp_path):
    done = run("batching", "--out", tmp_path)
    assert done.returncode == 1
    assert "onnxruntime-gpu" in done.stdout


def configured(text, **changes):
    variant = dataclasses.replace(Variant("any", "fp16"), **changes)
    return text_format.Parse(repositories.configured(text, variant), model_config_pb2.ModelConfig())


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.parts[-3])
def test_a_variant_differs_in_what_it_says(path):
    text = path.read_text()
    own = text_format.Parse(text, model_config_pb2.ModelConfig())
    plain, exact, single = configured(text), configured(text, precision="fp32"), configured(text, batching=False)
    assert (plain.default_model_filename, exact.default_model_filename) == ("model.gpu.onnx", "model.onnx")
    assert plain.HasField("dynamic_batching")
    assert plain.max_batch_size == own.max_batch_size > 1
    assert (single.max_batch_size, single.HasField("dynamic_batching")) == (1, False)
    assert configured(text, instances=4).instance_group[0].count == 4
    larger = configured(text, max_batch=64, parameters="prefer_nhwc+use_tf32=0")
    assert larger.max_batch_size == 64
    assert {name: larger.parameters[name].string_value for name in ("prefer_nhwc", "use_tf32")} == {
        "prefer_nhwc": "1",
        "use_tf32": "0",
    }
    plain.default_model_filename = own.default_model_filename
    assert plain == own


def test_fp16_is_measured_against_fp32(tmp_path):
    served = repositories.write(Variant(tiny_cnn.NAME, "fp16"), tmp_path, cpu=True)
    assert (served.graph.name, served.reference.name) == ("model.gpu.onnx", "model.onnx")
    types = {each.data_type for each in onnx.load(served.graph).graph.initializer}
    assert types == {onnx.TensorProto.FLOAT16}
    repositories.write(Variant(tiny_cnn.NAME, "fp16"), tmp_path / "gpu", cpu=False)
    assert "KIND_GPU" in (tmp_path / "gpu/tiny_cnn/config.pbtxt").read_text()


def test_one_at_a_time_is_one_instance_and_what_batches_are_compared_with(tmp_path, monkeypatch):
    options = ["--instances", "2,4", "--workers", "1,8", "--doors", "bare,grpc,http", "--parameters", "use_tf32=0"]
    monkeypatch.setattr(sys, "argv", ["batching", "--cpu", *options])
    wanted = list(command._of_one_model(command._arguments(), tmp_path, "tiny_cnn fp32"))
    on, off = "on x2 use_tf32=0", "off x1 use_tf32=0"
    ways = ["bare", f"grpc {on}", "grpc on x4 use_tf32=0", f"grpc {off}"]
    ways += [f"http {on} w1", f"http {on} w8", f"http {off} w8"]
    assert [each.name for each in wanted] == [f"tiny_cnn fp32 {way}" for way in ways]
    (single,) = (each.served.repository for each in wanted if each.name.endswith(f"grpc {off}"))
    found = re.findall(r"max_batch_size: \d+|count: \d+", (single / "tiny_cnn/config.pbtxt").read_text())
    assert found == ["max_batch_size: 1", "count: 1"]


async def test_a_batch_size_that_does_not_work_is_an_error_in_its_window(tmp_path):
    served = repositories.write(Variant(tiny_cnn.NAME, "fp32"), tmp_path, cpu=True)
    graph = bare.Graph(served.graph, None, served.pixels[""][:2])
    asking = bare.AskingNobody(graph, served.labels, [1, 0])  # an empty batch cannot be made
    windows = {}
    await asking.closed_loop(1, Window(0.1))  # opens the sessions
    for size in (1, 0):
        windows[size] = Window(0.2, ramp_s=0.1)
        await asking.closed_loop(size, windows[size])
    assert len(windows[1].latencies_s) > 0
    assert not windows[1].errors
    assert windows[0].latencies_s == []
    assert windows[0].errors.total() == 1


def test_a_model_without_the_file_is_named(tmp_path, monkeypatch, capsys):
    for name in ("config.pbtxt", "1/model.onnx"):
        path = tmp_path / "models/brain_mri" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("max_batch_size: 8\n")
    options = ["--models", "brain_mri", "--precisions", "fp16", "--repository", tmp_path / "models", "--out", tmp_path]
    monkeypatch.setattr(sys, "argv", ["batching", "--cpu", *map(str, options)])
    assert main() == 1
    said = capsys.readouterr().out
    assert "brain_mri fp16: not measured. brain_mri has no version with model.onnx and model.gpu.onnx" in said


def test_what_is_measured_stays_when_the_next_fails(tmp_path, monkeypatch):
    class Contender:
        def __init__(self, name):
            self.name = name

    def turn(contender, plan, number, folder, keep):
        keep(point(number, contender.name, 8, 100))
        if contender.name == "second":
            raise runner.DifferentAnswers("second, picture 0")

    monkeypatch.setattr(runner, "_turn", turn)
    plan, failures = runner.RunPlan([8], 2, 1), {}
    found = runner.run([Contender("first"), Contender("second")], plan, tmp_path / "raw.csv", failures)
    assert [(each.round, each.server) for each in found] == [(1, "first"), (1, "second"), (2, "first")]
    assert failures == {"second": "DifferentAnswers: second, picture 0"}
    assert batching_tables.read([tmp_path / "raw.csv"]) == found
    with pytest.raises(runner.DifferentAnswers):
        runner.run([Contender("second")], plan, tmp_path / "raw.csv")
    assert len(rows(tmp_path / "raw.csv")) == 1


def point(turn, server, connections, throughput, busy=0.1):
    return Point(turn, server, connections, throughput, 1, 2, 3, 0, 5.0, 100, 4.0, "", 0.5, 2048.0, busy)


def test_ratios_are_those_of_medians():
    speeds = {
        "bare": (900, 1000, 1300),
        "grpc on x1": (800, 850, 100),
        "grpc off x1": (170, 10, 170),
        "http on x1 w4": (1, 340, 400),
    }
    points = [
        point(turn, f"brain_mri fp16 {way}", 8, speed, 0.95 if way.startswith("http") else 0.2)
        for way, its in speeds.items()
        for turn, speed in enumerate(its, 1)
    ]
    lines = batching_tables.text(points, {"he_tissue fp16 bare": "no memory\nat all"}, "here").splitlines()
    assert "| grpc on x1 | 8 | 800 | 1 | 3 | 4 | 50% | 2048 | 4 | 20% | 0 |" in lines
    assert "| 8 | 4.71 |" in lines
    assert "| grpc on x1 | 800 | 8 | 0.8 | 1 |" in lines
    assert "| http on x1 w4 | 340 | 8 | 0.34 | 0.425 |" in lines
    assert "he_tissue fp16 bare: not measured. no memory" in lines
    (limit,) = [line for line in lines if "clients were the limit" in line]
    assert "http on x1 w4" in limit
    assert "grpc" not in limit


def test_what_was_not_there_is_a_dash():
    missing = dataclasses.replace(point(1, "tiny_cnn fp32 bare", 8, 100), gpu_busy=math.nan, clients_busy=math.nan)
    text = batching_tables.text([missing], {}, "here")
    assert "| bare | 8 | 100 | 1 | 3 | 4 | - | 2048 | 0.5 | - | 0 |" in text
    assert "limit" not in text


def test_options_of_the_provider_are_compared(tmp_path):
    tiny_cnn.write_repository(tmp_path)
    options = ["--options", "plain,nhwc_pinned_graph_two", "--batches", "1,4", "--seconds", 0.1, "--precisions", "fp32"]
    done = run("gpu_options", "--cpu", "--models", tmp_path, *options, "--out", tmp_path / "found.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(tmp_path / "found.csv")
    assert [(row["option"], row["batch"]) for row in found] == [
        (option, batch) for option in ("plain", "nhwc_pinned_graph_two") for batch in ("1", "4")
    ]
    assert all(float(row["images_s"]) > 0 and float(row["difference"]) < 1e-5 for row in found)
    assert "tiny_cnn, fp32" in done.stdout


@pytest.mark.skipif(CUDA, reason="there is a GPU here")
def test_an_option_that_fails_is_noted(tmp_path):
    tiny_cnn.write_repository(tmp_path)
    options = [
        "--options",
        "plain,cuda_graph",
        "--batches",
        "1",
        "--precisions",
        "fp32",
        "--out",
        tmp_path / "found.csv",
    ]
    done = run("gpu_options", "--models", tmp_path, *options)
    assert done.returncode == 1
    assert [row["option"] for row in rows(tmp_path / "found.csv")] == ["plain", "cuda_graph"]
    assert all("CUDA did not load" in row["error"] for row in rows(tmp_path / "found.csv"))
