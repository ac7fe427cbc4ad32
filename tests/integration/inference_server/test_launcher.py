"""The launcher with the real Triton: it starts, explains, stops and never leaves anything behind."""

import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from testbed import tiny_models
from testbed.servers import TritonServer, free_port
from tests.integration.supervised import problems

pytestmark = pytest.mark.usefixtures("embedded_triton")

SLEEP = (sys.executable, "-c", "import time; print('command runs', flush=True); time.sleep(600)")


@pytest.fixture
def repository(tmp_path):
    tiny_models.write_classifier(tmp_path / "models")
    return tmp_path / "models"


def ended(processes, timeout_s=60):
    """Whether all end; a zombie has."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not any(map(runs, processes)):
            return True
        time.sleep(0.05)
    return False


def runs(process):
    with suppress(psutil.NoSuchProcess):  # it may end between two looks
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def wait_for_output(server, text, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    while text not in server.output():
        assert time.monotonic() < deadline, server.output()
        time.sleep(0.05)


def test_a_signal_stops_the_command_and_after_it_triton(repository, tmp_path):
    goodbye = """
import signal, sys, time, urllib.request
def leave(*_):
    time.sleep(0.5)
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    print("Triton still answers", directly.open(sys.argv[1]).status, flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, leave)
print("command runs", flush=True)
time.sleep(600)
"""
    server = TritonServer(repository, tmp_path)
    server.argv += ["--", sys.executable, "-c", goodbye, server.ready_url]
    with server:
        wait_for_output(server, "command runs")
        family, shared_memory = server.family(), server.shared_memory()
        assert {process.name() for process in family} >= {"tritonserver", "triton_python_backend_stub"}
        assert shared_memory
        assert server.stop() == 0
        assert ended(family, timeout_s=5)
        assert not [region for region in shared_memory if region.exists()]
        lines = server.output().splitlines()
        assert [line.split(" (")[0] for line in lines] == [
            f"Triton loads and warms up the models of {repository} ...",
            f"Triton 2.51.0 is ready: gRPC 127.0.0.1:{server.grpc_port}, status 127.0.0.1:{server.status_port}",
            "command runs",
            "Stopping ...",
            "Triton still answers 200",
        ]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_models_load_stops_triton(repository, tmp_path, signum):
    server = TritonServer(repository, tmp_path)
    server.start()
    wait_for_output(server, "loads")
    family = server.family()
    assert server.stop(signum) == 0
    assert ended(family, timeout_s=5)
    assert server.output().splitlines()[-1] == "Stopping ..."
    assert "Traceback" not in server.output()


def test_the_end_of_the_command_ends_triton_with_its_exit_code(repository, tmp_path):
    program = "import os, sys; print(os.environ['ONCO_INFERENCE_URL'], flush=True); sys.exit(int(sys.argv[1]))"
    started = {}
    for code in (0, 7):  # side by side: each waits for its Triton
        folder = tmp_path / str(code)
        folder.mkdir()
        command = (sys.executable, "-c", program, str(code))
        started[code] = TritonServer(repository, folder, command, stop_grace_s=1)
        started[code].start()
    for code, server in started.items():
        assert server.wait() == code
        assert server.grpc_url in server.output().splitlines()
        assert not server.is_ready()


def test_a_command_that_does_not_exist_is_named(repository, tmp_path):
    server = TritonServer(repository, tmp_path, ("no-such-command",), stop_grace_s=1)
    server.start()
    assert server.wait() == 1
    assert "Cannot start no-such-command: there is no such command" in server.output()


def test_a_command_that_ignores_sigterm_is_killed_with_what_it_started(repository, tmp_path):
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print('command runs', flush=True); time.sleep(600)"
    )
    with TritonServer(repository, tmp_path, (sys.executable, "-c", stubborn), stop_grace_s=1) as server:
        wait_for_output(server, "command runs")
        family = server.family()
        assert server.stop() == 0
        assert ended(family, timeout_s=5)


def test_sigkill_of_the_launcher_leaves_no_orphan(repository, tmp_path):
    with TritonServer(repository, tmp_path, SLEEP) as server:
        wait_for_output(server, "command runs")
        family, shared_memory = server.family(), server.shared_memory()
        server.kill()
        assert ended(family)
        assert not [region for region in shared_memory if region.exists()]


def test_the_next_start_removes_what_a_killed_server_left(repository, tmp_path):
    (tmp_path / "next").mkdir()
    with TritonServer(repository, tmp_path) as server:
        family, shared_memory = server.family(), server.shared_memory()
        for process in [psutil.Process(server.pid), *family]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert ended(family)
        # Before `wait` the killed launcher has its entry in /proc: no start of another test removes what it left.
        assert [region for region in shared_memory if region.exists()], "nothing was left that could be removed"
        server.wait()
    with TritonServer(repository, tmp_path / "next"):
        assert not [region for region in shared_memory if region.exists()]


def test_two_servers_run_side_by_side_and_end_on_their_own(repository, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (TritonServer(repository, tmp_path / name, stop_grace_s=1) for name in ("one", "two"))
    with one, two:
        assert one.shared_memory()
        assert two.shared_memory()
        assert one.stop() == 0
        assert not one.shared_memory()
        assert two.shared_memory()
        assert two.is_ready()


@pytest.mark.parametrize("name", ["grpc_port", "http_port", "metrics_port", "status_port"])
def test_a_taken_port_is_named_at_once(repository, tmp_path, name):
    port = free_port()
    server = TritonServer(repository, tmp_path, **{name: port})
    with socket.create_server(("127.0.0.1", port)):
        server.start()
        assert server.wait() == 1
    assert f"Triton cannot listen on port {port} of 127.0.0.1 (Address already in use)" in server.output()
    assert f"ONCO_TRITON_{name.upper()}" in server.output()
    assert not server.triton_log


def without_the_graph(model):
    (model / "1/model.onnx").unlink()


def without_a_version(model):
    shutil.rmtree(model / "1")


def with_another_shape(model):
    config = (model / "config.pbtxt").read_text()
    (model / "config.pbtxt").write_text(config.replace("[16, 16, 3]", "[16, 17, 3]").replace("TYPE_FP32", "TYPE_INT8"))


def with_a_gpu(model):
    (model / "configs").mkdir()
    (model / "configs/gpu.pbtxt").write_text((model / "config.pbtxt").read_text().replace("KIND_CPU", "KIND_GPU"))


@pytest.fixture(scope="module")
def failed(embedded_triton, tmp_path_factory):
    """What launchers said whose Triton cannot load its model, by what was done to it; they ran side by side."""
    started = {}
    for spoil in (without_the_graph, without_a_version, with_another_shape, with_a_gpu):
        folder = tmp_path_factory.mktemp(spoil.__name__)
        spoil(tiny_models.write_classifier(folder / "models"))
        configuration = "gpu" if spoil is with_a_gpu else ""
        started[spoil] = TritonServer(folder / "models", folder, model_config_name=configuration)
        started[spoil].start()
    codes = [server.wait() for server in started.values()]
    assert codes == [1] * len(codes)
    return {spoil: server.output() for spoil, server in started.items()}


@pytest.mark.parametrize("spoil", [without_the_graph, without_a_version])
def test_a_model_that_was_not_exported_says_make_models(failed, spoil):
    assert "in a checkout `make models`." in failed[spoil].splitlines()[-1]
    assert "tiny" in failed[spoil]


def test_a_configuration_that_contradicts_the_graph_is_explained(failed):
    output = failed[with_another_shape]
    assert "image is [-1, 16, 17, 3] in config.pbtxt and [-1, 16, 16, 3] in the graph" in output
    assert "probabilities is TYPE_INT8 in config.pbtxt and tensor(float) in the graph" in output
    assert "config.pbtxt of tiny and its graph contradict each other" in output.splitlines()[-1]


def test_a_gpu_configuration_is_refused_without_a_gpu(failed):
    assert "no GPU that Triton can use: unset ONCO_TRITON_MODEL_CONFIG_NAME" in failed[with_a_gpu]


def test_exit_on_error_false_serves_the_other_models(repository, tmp_path):
    (tiny_models.write_classifier(repository, "broken") / "1/model.onnx").unlink()
    server = TritonServer(repository, tmp_path, SLEEP, exit_on_error=False, stop_grace_s=1)
    server.ready_url = server.ready_url.replace("/readyz", "/livez")
    with server:
        wait_for_output(server, "command runs")
        assert "model.onnx is missing" in problems(server)["broken"]
        assert problems(server).keys() == {"broken"}
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grcp_port": 1}, "Unknown setting ONCO_TRITON_GRCP_PORT"),
        ({"grpc_port": 70000}, "ONCO_TRITON_GRPC_PORT=70000: Input should be less than or equal to 65535"),
        ({"model_repository": "nowhere"}, "There is no model repository"),
        ({"model_repository": "a folder"}, "Triton cannot work in a path with a space"),
        ({"work_directory": "build/a folder"}, "Triton cannot work in a path with a space"),
        ({"host": "192.0.2.1"}, "of 192.0.2.1 (Cannot assign requested address)"),
        ({"device": "gpu"}, "ONCO_TRITON_DEVICE=gpu: "),  # on a GPU too: this environment's onnxruntime has no CUDA
        ({"work_directory": "/proc/nowhere"}, "Cannot prepare Triton in /proc/nowhere"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(repository, tmp_path, settings, message):
    server = TritonServer(repository, tmp_path)
    server.env |= {f"ONCO_TRITON_{name.upper()}": str(value) for name, value in settings.items()}
    server.start()
    assert server.wait() in (1, 2)
    assert message in server.output()
    assert "Traceback" not in server.output()


def test_giving_up_on_a_slow_start_says_so(repository, tmp_path):
    server = TritonServer(repository, tmp_path, startup_timeout_s=0.05)
    server.start()
    assert server.wait() == 1
    assert "Triton is not ready after" in server.output()
    assert not list(Path("/dev/shm").glob(f"oncoserve_triton_{server.pid}_*"))  # noqa: S108
