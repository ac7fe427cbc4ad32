from pathlib import Path

import pytest
from pydantic import ValidationError

from inference_server.launch_errors import SettingsError
from inference_server.triton_settings import TritonSettings, available_cores


@pytest.fixture
def environ(monkeypatch):
    """Sets ONCO_TRITON_* variables for one test, which sees none of the caller's."""
    for name in TritonSettings.model_fields:
        monkeypatch.delenv(f"ONCO_TRITON_{name.upper()}", raising=False)
    return lambda **values: [monkeypatch.setenv(f"ONCO_TRITON_{name}", value) for name, value in values.items()]


def test_defaults_listen_on_loopback_and_tritons_usual_ports(environ):
    environ()
    settings = TritonSettings.from_environment()
    assert settings.host == "127.0.0.1"
    assert settings.ports == {"grpc_port": 8001, "metrics_port": 8002, "status_port": 8003}
    assert settings.http_port == 0, "Triton's HTTP port is off unless asked for"
    assert settings.threads == available_cores()
    assert settings.exit_on_error
    assert settings.log_path == settings.home / "triton.log" == Path.cwd() / "build/triton/8001/triton.log"


def test_variables_are_read(environ):
    environ(GRPC_PORT="9001", THREADS="3", LOG_FILE="/dev/stderr", MODEL_CONFIG_NAME="gpu", EXIT_ON_ERROR="false")
    settings = TritonSettings.from_environment()
    assert (settings.grpc_port, settings.threads, settings.model_config_name) == (9001, 3, "gpu")
    assert settings.log_path == Path("/dev/stderr")
    assert not settings.exit_on_error


@pytest.mark.parametrize("name", ["ONCO_TRITON_GRCP_PORT", "onco_triton_port"])
def test_an_unknown_variable_is_named(environ, name):
    environ()
    with pytest.raises(SettingsError, match=f"Unknown setting {name}. Known are ONCO_TRITON_HOST, "):
        TritonSettings.from_environment({name: "1"})


def test_other_programs_variables_are_left_alone(environ):
    environ()
    TritonSettings.from_environment({"ONCO_PORT": "5000", "TRITON_GRPC_PORT": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRPC_PORT", "0"),
        ("GRPC_PORT", "65536"),
        ("GRPC_PORT", "http"),
        ("HTTP_PORT", "-1"),
        ("STATUS_PORT", "0"),
        ("METRICS_PORT", "-1"),
        ("HOST", ""),
        ("THREADS", "0"),
        ("STARTUP_TIMEOUT_S", "0"),
        ("STOP_GRACE_S", "0"),
        ("LOG_LEVEL", "loud"),
        ("EXIT_ON_ERROR", "perhaps"),
        ("MODEL_CONFIG_NAME", "../gpu"),
        ("DEVICE", "cuda"),
        ("GPUS", "0,"),
        ("GPUS", ""),
        ("GPUS", "GPU-0"),
        ("GPU_INSTANCES", "0"),
        ("GPU_INSTANCES", "9"),
    ],
)
def test_a_value_out_of_bounds_names_its_variable(environ, name, value):
    environ(**{name: value})
    with pytest.raises(SettingsError, match=f"^ONCO_TRITON_{name}={value}: "):
        TritonSettings.from_environment()


def test_ports_must_differ(environ):
    environ(HTTP_PORT="8003")
    with pytest.raises(SettingsError, match="grpc_port, http_port, metrics_port, status_port must differ"):
        TritonSettings.from_environment()


def test_the_models_run_on_the_cpu_unless_told_otherwise(environ):
    environ()
    assert (TritonSettings.from_environment().device, TritonSettings.from_environment().gpu_numbers) == ("cpu", [])
    environ(DEVICE="gpu", GPUS="0,10")
    assert TritonSettings.from_environment().gpu_numbers == [0, 10]


def test_a_gpu_is_named_once(environ):
    environ(GPUS="1,0,01")
    with pytest.raises(SettingsError, match="ONCO_TRITON_GPUS=1,0,01 names a GPU twice"):
        TritonSettings.from_environment()


def test_settings_cannot_be_changed(environ):
    environ()
    with pytest.raises(ValidationError, match="frozen"):
        TritonSettings.from_environment().grpc_port = 1


@pytest.mark.parametrize(
    ("host", "local"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.7", "10.0.0.7")],  # noqa: S104
)
def test_the_launcher_asks_where_it_can_reach_triton(environ, host, local):
    environ(HOST=host)
    assert TritonSettings.from_environment().local_host == local
