"""What dies or hangs beneath the launcher comes back within 30 s, alone; what cannot come back is bounded."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from testbed import tiny_models
from testbed.servers import TritonServer
from testbed.timed_model import Gate, write_sleeper
from tests.integration.inference_server.calls import tensor
from tests.integration.supervised import backend_of, problems, restarts, wait_until

pytestmark = pytest.mark.usefixtures("embedded_triton")

BEATING = """
import mmap, os, time
number = memoryview(mmap.mmap(int(os.environ["ONCOSERVE_HEARTBEAT"]), 8)).cast("q")
print("command runs", flush=True)
while True:
    number[0] += 1
    time.sleep(0.2)
"""
PICTURE = np.zeros((1, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def server(embedded_triton, door, tmp_path_factory):
    """A launcher with a command that gives signs of life, for tests that leave it as well as they found it."""
    folder = tmp_path_factory.mktemp("supervised")
    for name in ("tiny", "other"):
        tiny_models.write_classifier(folder / "models", name)
    write_sleeper(folder / "models", "slow", 1.0)
    write_sleeper(folder / "models", "gated", 0.1, gate=door, longest_s=0.1)
    with TritonServer(folder / "models", folder, (sys.executable, "-c", BEATING)) as running:
        wait_until(lambda: "command runs" in running.output())
        yield running


def ask(server, model, timeout_s=60):
    """Whether the model answers; what the caller meets otherwise."""
    with grpcclient.InferenceServerClient(server.grpc_url) as client:
        try:
            client.infer(model, [tensor("image", PICTURE)], client_timeout=timeout_s)
        except InferenceServerException as error:
            return str(error)
        return "answered"


@contextlib.contextmanager
def callers(server, model, count):
    """So many callers who have one request under way, and what each has met at the end."""
    met = []
    threads = [threading.Thread(target=lambda: met.append(ask(server, model))) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield met
    for thread in threads:
        thread.join()


def command(server):
    return next(process for process in server.family() if process.cmdline()[-1:] == [BEATING])


def take(port):
    """Listen there as soon as nobody else does."""
    while True:
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))


def lost(server, part, cause):
    return restarts(server).get((part, cause), 0)


def pids(server, *models):
    return [backend_of(server, model).pid for model in models]


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize(("signum", "cause"), [(signal.SIGKILL, "signal"), (signal.SIGSTOP, "hung")])
def test_a_backend_that_is_killed_or_frozen_comes_back_alone(server, busy, signum, cause):
    others = [server.triton_process().pid, command(server).pid, *pids(server, "tiny", "other")]
    before, part = lost(server, "backend of slow", cause), "backend of slow"
    with callers(server, "slow", 2 if busy else 0) as met:
        if busy:
            time.sleep(0.3)  # they have arrived; nothing tells when an execution has begun
        backend_of(server, "slow").send_signal(signum)
        wait_until(lambda: lost(server, part, cause) == before + 1)
        assert ask(server, "tiny") == "answered"
    wait_until(lambda: problems(server) == {})
    assert ask(server, "slow") == "answered"
    assert len(met) == (2 if busy else 0)  # every caller was answered
    assert [server.triton_process().pid, command(server).pid, *pids(server, "tiny", "other")] == others


def test_a_backend_that_hangs_is_told_from_one_that_is_busy(server, door):
    """The process lives, but its model is stuck for longer than ten seconds and than its executions ever take."""
    others = [server.triton_process().pid, *pids(server, "tiny", "other")]
    door.close()
    try:
        with callers(server, "gated", 1) as met:
            time.sleep(5)  # not yet
            assert lost(server, "backend of gated", "hung") == 0
            wait_until(lambda: lost(server, "backend of gated", "hung") == 1)
            door.open()
    finally:
        door.open()
    assert "not healthy" in met[0]
    wait_until(lambda: problems(server) == {})
    assert ask(server, "gated") == "answered"
    assert [server.triton_process().pid, *pids(server, "tiny", "other")] == others


def test_a_triton_that_is_killed_comes_back_beside_its_command(server):
    before, beside = server.triton_process().pid, command(server).pid
    with callers(server, "slow", 2) as met:
        server.triton_process().kill()
        wait_until(lambda: lost(server, "triton", "signal") == 1)
        wait_until(server.is_ready)
    assert len(met) == 2
    assert ask(server, "tiny") == ask(server, "slow") == "answered"
    assert server.triton_process().pid != before
    assert command(server).pid == beside
    assert "Lost: triton (signal): it was ended by SIGKILL." in server.output()


def test_a_triton_and_a_command_that_are_frozen_are_replaced(server):
    triton, beside = server.triton_process(), command(server)
    triton.suspend()
    beside.suspend()
    wait_until(lambda: lost(server, "triton", "hung") == 1 and lost(server, "command", "hung") == 1)
    wait_until(server.is_ready)
    assert ask(server, "tiny") == "answered"
    wait_until(lambda: server.output().count("command runs") == 2)
    assert not triton.is_running()
    assert not beside.is_running()


def test_a_command_that_is_killed_comes_back_beside_its_triton(server):
    triton, beside = server.triton_process().pid, command(server)
    beside.kill()
    wait_until(lambda: lost(server, "command", "signal") == 1)
    wait_until(lambda: any(process.cmdline()[-1:] == [BEATING] for process in server.family()))
    assert server.triton_process().pid == triton


def test_clients_of_the_status_port_that_say_nothing_stop_nothing(server):
    with contextlib.ExitStack() as held:
        for _ in range(40):
            held.enter_context(socket.create_connection(("127.0.0.1", server.status_port)))
        backend_of(server, "tiny").kill()
        wait_until(server.is_ready)  # those who say nothing are hung up on
    assert ask(server, "tiny") == "answered"
    wait_until(lambda: lost(server, "backend of tiny", "signal") == 1)


@pytest.mark.long
def test_a_model_that_cannot_be_loaded_any_more_leaves_the_others_serving(tmp_path):
    """Its files were damaged while it was served: tried again for ever, Triton is started anew for it but once."""
    tiny_models.write_classifier(tmp_path / "models", "tiny")
    graph = tiny_models.write_classifier(tmp_path / "models", "garbage") / "1/model.onnx"
    whole = graph.read_bytes()
    with TritonServer(tmp_path / "models", tmp_path) as server:
        graph.write_bytes(b"garbage")
        backend_of(server, "garbage").kill()
        wait_until(lambda: lost(server, "backend of garbage", "start") >= 5)
        assert restarts(server)["triton", "hung"] == 1
        assert list(problems(server)) == ["garbage"]
        assert ask(server, "tiny") == "answered"
        graph.write_bytes(whole)
        wait_until(server.is_ready)
        assert ask(server, "garbage") == "answered"


@pytest.mark.long
def test_what_cannot_start_any_more_ends_the_launcher_with_its_last_words(tmp_path):
    """Triton finds its port taken, another launcher's command is broken; side by side, for the sake of time."""
    tiny_models.write_classifier(tmp_path / "models", "tiny")
    program = tmp_path / "program.py"
    program.write_text(BEATING)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = TritonServer(tmp_path / "models", tmp_path / "one", stop_grace_s=1)
    two = TritonServer(tmp_path / "models", tmp_path / "two", (sys.executable, str(program)), stop_grace_s=1)
    with one, two:
        one.triton_process().kill()
        with take(one.grpc_port):
            wait_until(lambda: "command runs" in two.output())
            program.write_text("import sys; sys.exit(7)")
            next(process for process in two.family() if process.cmdline()[-1:] == [str(program)]).kill()
            assert one.wait() == 1
        assert two.wait() == 7
    assert one.output().count("Lost: triton") == two.output().count("Lost: command") == 6
    assert "It is given up." in one.output()
    assert "Triton ended with exit code 1. The end of its log" in one.output()
    assert f"Port {one.grpc_port} on 127.0.0.1 is taken." in one.output()
    assert "It is given up." in two.output()


@pytest.mark.long
def test_output_that_nobody_reads_holds_nothing_up(tmp_path):
    """Both standard outputs are a pipe that is full from the start, and Triton's log goes there too."""
    tiny_models.write_classifier(tmp_path / "models", "tiny")
    server = TritonServer(tmp_path / "models", tmp_path, log_file="/dev/stderr", log_level="verbose")
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, bytes(4096))
    server.process = subprocess.Popen(server.argv, env=server.env, stdout=writing, stderr=writing)
    os.close(writing)
    try:
        server.wait_ready()
        for _ in range(300):  # more than any buffer of Triton's holds of verbose lines
            assert ask(server, "tiny") == "answered"
        server.triton_process().kill()
        wait_until(lambda: restarts(server) == {("triton", "signal"): 1})
        wait_until(server.is_ready)
        launcher = psutil.Process(server.pid)
        assert server.stop(timeout_s=20) == 0
        assert not launcher.is_running()
    finally:
        os.close(reading)
        server.end()
