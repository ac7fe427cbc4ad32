import os
import sys

import pytest

from inference_server import runtime
from inference_server.launch_errors import LaunchError
from inference_server.triton_settings import TritonSettings


@pytest.fixture
def wheel(tmp_path):
    """What the launcher uses of the nvidia-pytriton wheel, with empty files."""
    root = tmp_path / "tritonserver"
    names = [
        f"python_backend_stubs/{version}/triton_python_backend_stub" for version in ("3.8", "3.10", runtime.PYTHON)
    ]
    for name in ["backends/python/libtriton_python.so", "backends/python/triton_python_backend_utils.py", *names]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def command_line(folder, *, all_or_nothing=True, **settings):
    return runtime.command_line(
        TritonSettings(**settings), folder, folder, folder, ["*"], "abc", all_or_nothing=all_or_nothing
    )


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64")])
def test_another_platform_is_sent_to_docker_compose(monkeypatch, system, machine):
    monkeypatch.setattr(runtime.sys, "platform", system)
    monkeypatch.setattr(runtime.platform, "machine", lambda: machine)
    with pytest.raises(LaunchError, match=r"Linux x86_64 only, this is .*docker compose up"):
        runtime.locate()


def test_a_python_without_a_stub_is_told_which_versions_are_supported(wheel):
    with pytest.raises(LaunchError, match=r"supports Python 3\.8, 3\.10, .*, this is 3\.99\."):
        runtime.find_stub(wheel, "3.99")


def test_a_missing_libpython_names_its_package(monkeypatch):
    monkeypatch.setattr(runtime, "PYTHON", "3.99")
    with pytest.raises(LaunchError, match=r"libpython3\.99\.so\.1\.0.*apt-get install libpython3\.99"):
        runtime.find_libpython()


def test_the_backend_directory_holds_copies_and_a_linked_stub(wheel, tmp_path):
    (tmp_path / "home/backends/old").mkdir(parents=True)
    backends = runtime.assemble_backends(wheel, tmp_path / "home")
    assert sorted(path.name for path in backends.iterdir()) == ["onnxruntime", "python"]
    assert not (backends / "python/libtriton_python.so").is_symlink()
    assert (backends / "python/triton_python_backend_stub").readlink() == runtime.find_stub(wheel)
    names = ["cuda_libraries.py", "model.py", "onnx_batches.py", "sessions.py"]
    assert sorted(path.name for path in (backends / "onnxruntime").iterdir()) == names


def test_this_python_comes_first_for_the_stub(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "find_libpython", lambda: tmp_path)
    settings = TritonSettings(threads=3)
    env = runtime.environment(settings, {"PATH": "/usr/bin", "HOME": "/home"})
    assert env["PATH"].split(os.pathsep) == [os.path.dirname(sys.executable), "/usr/bin"]  # noqa: PTH120
    assert env["LD_LIBRARY_PATH"] == str(tmp_path)
    assert env["ONCO_TRITON_THREADS"] == "3"
    assert env["HOME"] == "/home"
    assert env["ORT_DISABLE_TELEMETRY"] == "1"
    assert "no_proxy" not in env


@pytest.mark.parametrize(("device", "shown"), [("gpu", {"CUDA_VISIBLE_DEVICES": "2,0"}), ("cpu", {})])
def test_triton_sees_the_chosen_gpus_in_the_order_of_nvidia_smi(device, shown):
    env = runtime.environment(TritonSettings(device=device, gpus="2,0"), {})
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if shown else {}
    assert {name: value for name, value in env.items() if name.startswith("CUDA")} == {**shown, **order}


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_the_collector_is_asked_without_the_proxies_of_the_environment(name):
    settings = TritonSettings(otlp_endpoint="http://collector:4318")
    assert runtime.environment(settings, {name: "a.example"})["no_proxy"] == "a.example,collector"
    assert runtime.environment(settings, {})["no_proxy"] == "collector"


@pytest.mark.parametrize(
    ("level", "options"),
    [
        ("error", {"--log-error=true", "--log-warning=false", "--log-info=false", "--log-verbose=0"}),
        ("warning", {"--log-error=true", "--log-warning=true", "--log-info=false", "--log-verbose=0"}),
        ("verbose", {"--log-error=true", "--log-warning=true", "--log-info=true", "--log-verbose=1"}),
    ],
)
def test_the_log_level_sets_tritons_switches(tmp_path, level, options):
    command = command_line(tmp_path, log_level=level)
    assert {word for word in command if word.startswith("--log-")} == options


GUARDED = "model-repository,shared-memory,trace,logging:oncoserve-launcher=abc"


def test_http_is_off_unless_a_port_is_named(tmp_path):
    off = command_line(tmp_path)
    assert "--allow-http=false" in off
    assert f"--grpc-restricted-protocol={GUARDED}" in off
    assert not [word for word in off if word.startswith("--http")]
    on = command_line(tmp_path, http_port=8000)
    assert {"--allow-http=true", "--http-port=8000", f"--http-restricted-api={GUARDED}"} <= set(on)


@pytest.mark.parametrize("all_or_nothing", [True, False])
def test_a_model_that_fails_ends_triton_or_leaves_the_others(tmp_path, all_or_nothing):
    word = str(all_or_nothing).lower()
    command = command_line(tmp_path, all_or_nothing=all_or_nothing)
    assert {f"--exit-on-error={word}", f"--strict-readiness={word}"} <= set(command)


def test_triton_traces_only_what_the_frontend_traces(tmp_path):
    def trace_options(**settings):
        command = command_line(tmp_path, **settings)
        return [word for word in command if word.startswith("--trace")]

    assert trace_options() == []
    assert trace_options(otlp_endpoint="http://collector:4318/") == [
        "--trace-config=mode=opentelemetry",
        "--trace-config=opentelemetry,url=http://collector:4318/v1/traces",
        "--trace-config=level=TIMESTAMPS",
        "--trace-config=rate=0",
    ]


def test_only_dead_servers_lose_their_shared_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "SHARED_MEMORY", tmp_path)
    alive = tmp_path / f"{runtime.shared_memory_prefix(os.getpid())}region"
    dead = tmp_path / f"{runtime.shared_memory_prefix(2**22 + 1)}region"  # above the kernel's largest process id
    other = tmp_path / "psm_other"
    for region in (alive, dead, other):
        region.touch()
    runtime.remove_stale_shared_memory()
    assert sorted(tmp_path.iterdir()) == sorted([alive, other])
    runtime.remove_own_shared_memory()
    assert list(tmp_path.iterdir()) == [other]
