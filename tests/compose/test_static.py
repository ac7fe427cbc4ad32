"""The Dockerfile and the Compose files, read by the tools that know them."""

import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from google.protobuf import text_format
from pydantic import ValidationError
from tritonclient.grpc import model_config_pb2 as pb

from inference_server.triton_settings import TritonSettings
from oncoserve.settings import Settings
from testbed.servers import PROJECT
from tests.code_blocks import code_blocks

COMPOSE, GPU, NVIDIA = "docker-compose.yml", "docker-compose.gpu.yml", "docker-compose.nvidia.yml"
OWN, CLUSTER = "docker-compose.models.yml", "docker-compose.cluster.yml"
DOCUMENT = (PROJECT / "docs" / "compose.md").read_text()
TOOLS = Path(sys.executable).parent
PROFILES = ([], ["--profile=observability"], ["--profile=models"], ["--profile=pacs"])
ONCE = ("check-", "own-models", "models", "secrets")  # what begins so does its work and ends
every_combination = pytest.mark.parametrize(
    "files",
    [[COMPOSE], [COMPOSE, GPU], [COMPOSE, NVIDIA], [COMPOSE, OWN], [COMPOSE, GPU, OWN], [CLUSTER]],
    ids="+".join,
)


def read(files, *options, **variables):
    """The configuration as Compose understands it, with no variable of this machine in it but those given."""
    named = [f"--file={file}" for file in files]
    done = subprocess.run(
        ["docker", "compose", "--env-file=/dev/null", *named, *options, "config", "--format=json"],
        cwd=PROJECT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def check(tool, *arguments):
    done = subprocess.run([TOOLS / tool, *arguments], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint():
    check("hadolint", "Dockerfile")


def test_yamllint():
    check("yamllint", "--strict", COMPOSE, GPU, NVIDIA, OWN, CLUSTER)


def test_the_file_follows_the_compose_specification():
    check("check-jsonschema", "--builtin-schema=vendor.compose-spec", COMPOSE)


@pytest.mark.parametrize("profile", PROFILES, ids=str)
@every_combination
def test_every_combination_is_valid(compose_command, tmp_path, files, profile):
    merged = tmp_path / "merged.json"
    merged.write_text(json.dumps(read(files, *profile)))
    check("check-jsonschema", "--builtin-schema=vendor.compose-spec", str(merged))


@pytest.mark.parametrize("profile", PROFILES, ids=str)
@every_combination
def test_every_service_is_hardened_and_bounded(compose_command, files, profile):
    services = read(files, *profile)["services"]
    ours = {service["image"] for service in services.values() if "build" in service}
    for name, service in services.items():
        assert service["read_only"], name
        assert service["init"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) > 0, name
        assert {port["host_ip"] for port in service.get("ports", [])} <= {"127.0.0.1"}, name
        if not name.startswith(ONCE):
            assert service["healthcheck"]["test"], name
            assert service["restart"] != "no", name
        if service["image"] not in ours and not name.startswith(ONCE):
            assert re.search(r":v?\d+\.\d+", service["image"]), f"{name}: no version"


@every_combination
def test_a_proxy_that_docker_gives_to_containers_is_not_asked_for_their_own_names(compose_command, files):
    services = read(files, *PROFILES[1], *PROFILES[3], NO_PROXY="hospital.example")["services"]
    for name, service in services.items():
        if service.get("network_mode") == "none":
            continue
        if service["image"].startswith("nvcr.io"):  # asks nobody but itself, in its health check
            assert "--noproxy" in service["healthcheck"]["test"]
            continue
        for variable in ("NO_PROXY", "no_proxy"):
            direct = service["environment"][variable].split(",")
            assert {"localhost", "127.0.0.1", "::1", "hospital.example"} <= set(direct), name
            assert {other for other in services if not other.startswith(ONCE)} <= set(direct), name
    for service in read(files)["services"].values():
        assert not service.get("environment", {}).get("NO_PROXY", "").endswith(",")


@pytest.mark.parametrize(
    ("variables", "allowed"),
    [
        ({}, True),
        ({"ONCOSERVE_BIND": "0.0.0.0"}, False),  # noqa: S104 - refused
        ({"ONCOSERVE_BIND": "0.0.0.0", "ONCOSERVE_ALLOW_ANONYMOUS": "true"}, True),  # noqa: S104 - on purpose
        ({"ONCOSERVE_BIND": "0.0.0.0", "ONCOSERVE_API_KEYS_FILE": "./keys"}, True),  # noqa: S104 - with keys
    ],
)
def test_other_machines_are_let_in_only_with_keys_or_on_purpose(compose_command, monkeypatch, variables, allowed):
    service = read([COMPOSE], **variables)["services"]["frontend"]
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value)
    assert [secret["target"] for secret in service["secrets"]] == ["/run/secrets/api_keys"]
    with nullcontext() if allowed else pytest.raises(ValidationError, match="without an API key"):
        settings = Settings.from_environment()
        assert bool(settings.api_keys_file) is ("ONCOSERVE_API_KEYS_FILE" in variables)


def test_another_path_of_the_keys_makes_another_container(compose_command):
    """Compose alone does not look at it, and a changed path would keep the old file."""

    def hashes(path):
        command = ["docker", "compose", "--env-file=/dev/null", f"--file={COMPOSE}", "config", "--hash=*"]
        environment = os.environ | {"ONCOSERVE_API_KEYS_FILE": path}
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return dict(line.split() for line in done.stdout.splitlines())

    one, other = hashes("./one"), hashes("./other")
    assert {name for name in one if one[name] != other[name]} == {"check-frontend", "frontend", "worker"}


def test_the_gpu_file_builds_another_triton_with_a_gpu_and_changes_nothing_else(compose_command):
    cpu, gpu = read([COMPOSE])["services"], read([COMPOSE, GPU])["services"]
    for name in ("check-triton", "triton"):
        assert gpu[name]["image"] == "oncoserve-triton-gpu", name
        (device,) = gpu[name]["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}, name
        for limit in ("mem_limit", "shm_size"):
            assert int(gpu[name][limit]) > int(cpu[name][limit]), name
    assert gpu["triton"]["build"]["target"] == "triton-gpu"
    patience_s = int(TritonSettings().startup_timeout_s)
    assert gpu["triton"]["healthcheck"]["start_period"] == f"{patience_s // 60}m0s"  # as long as the launcher waits
    changed = {"image", "mem_limit", "shm_size", "deploy", "build", "healthcheck"}
    for name, service in gpu.items():
        same = service.keys() | cpu[name].keys()
        if name in {"check-triton", "triton"}:
            same -= changed
        assert {key: service.get(key) for key in same} == {key: cpu[name].get(key) for key in same}, name
    assert gpu.keys() == cpu.keys()


@pytest.mark.parametrize(("asked", "count"), [("2", 2), ("all", -1)])
def test_so_many_gpus_are_reserved_as_asked_for(compose_command, asked, count):
    triton = read([COMPOSE, GPU], ONCOSERVE_GPUS=asked)["services"]["triton"]
    assert triton["deploy"]["resources"]["reservations"]["devices"][0]["count"] == count


def test_a_number_of_gpus_that_is_none_is_named(compose_command):
    command = ["docker", "compose", f"--file={COMPOSE}", f"--file={GPU}", "config", "--quiet"]
    environment = os.environ | {"ONCOSERVE_GPUS": "two"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    message = "invalid value \"two\", the only value allowed is 'all' or a number"
    assert message in done.stderr
    assert message in DOCUMENT


def test_chosen_gpus_as_the_documentation_shows(compose_command, tmp_path):
    (block,) = (each for each in code_blocks(PROJECT / "docs/compose.md", "yaml") if "device_ids" in each)
    (tmp_path / "override.yml").write_text(block)
    services = read([COMPOSE, GPU, str(tmp_path / "override.yml")])["services"]
    for name in ("check-triton", "triton"):
        (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "device_ids": ["1", "3"], "capabilities": ["gpu"]}, name


def test_the_image_for_a_gpu_asks_for_one():
    """Without ONCO_TRITON_DEVICE it would serve on the CPU without a word."""
    stage = (PROJECT / "Dockerfile").read_text().partition(" AS triton-gpu\n")[2].partition("\nFROM ")[0]
    values = dict(re.findall(r"(\w+)=([\w,]+)", stage))
    assert values["ONCO_TRITON_DEVICE"] == "gpu"
    assert set(values["NVIDIA_DRIVER_CAPABILITIES"].split(",")) == {"compute", "utility"}


def test_nvidias_file_swaps_triton_and_nothing_else(compose_command):
    cpu, gpu = read([COMPOSE])["services"], read([COMPOSE, NVIDIA])["services"]
    assert cpu.keys() ^ gpu.keys() == {"check-triton"}
    triton = gpu["triton"]
    assert triton["image"] == "nvcr.io/nvidia/tritonserver:24.10-py3"
    assert "build" not in triton
    assert triton["depends_on"].keys() == {"check-frontend"}
    for service in ("frontend", "worker"):
        assert gpu[service]["depends_on"].keys() == {"check-frontend", "triton"}
    assert not [name for name in triton["environment"] if name.startswith("ONCO")]
    assert triton["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert triton["ports"] == cpu["triton"]["ports"]
    repository = {"source": str(PROJECT / "model_repository"), "type": "bind", "read_only": True}
    mounted = {"triton": "/models", "frontend": "/app/model_repository", "worker": "/app/model_repository"}
    for service, target in mounted.items():
        mount = next(volume for volume in gpu[service]["volumes"] if volume["target"] == target)
        assert {name: mount[name] for name in repository} == repository
    assert gpu["frontend"]["image"] == cpu["frontend"]["image"] == gpu["worker"]["image"]


def test_models_of_ones_own_are_served_from_a_volume_that_the_services_only_read(compose_command):
    plain, own = read([COMPOSE])["services"], read([COMPOSE, OWN], "--profile=models")["services"]
    assert own.keys() - plain.keys() == {"own-models", "models"}
    for name in ("check-triton", "check-frontend", "triton", "frontend", "worker"):
        (mount,) = (each for each in own[name]["volumes"] if each["target"] == "/own")
        assert mount["read_only"], name
        assert own[name]["depends_on"]["own-models"]["condition"] == "service_completed_successfully", name
        repository = {
            own[name]["environment"][each] for each in ("ONCO_MODEL_REPOSITORY", "ONCO_TRITON_MODEL_REPOSITORY")
        }
        assert repository == {"/own/model_repository"}, name
        assert plain[name]["environment"].items() <= own[name]["environment"].items(), name
    assert own["models"]["network_mode"] == own["own-models"]["network_mode"] == "none"  # files are all that they need


def test_every_model_has_the_configuration_that_a_gpu_asks_for():
    without = [
        path.parent.name
        for path in PROJECT.glob("model_repository/*/config.pbtxt")
        if not (path.parent / "configs/gpu.pbtxt").is_file()
    ]
    assert without == []


def test_the_tensorrt_option_is_a_valid_configuration():
    merged = pb.ModelConfig()
    for snippet in code_blocks(PROJECT / "docs/compose.md", "protobuf"):
        text_format.Merge(snippet, merged)
    (accelerator,) = merged.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert accelerator.parameters["precision_mode"] == "FP16"
    cache = accelerator.parameters["trt_engine_cache_path"]
    assert f"engines:{cache}" in (PROJECT / NVIDIA).read_text()


def test_every_variable_is_explained():
    text = "".join((PROJECT / file).read_text() for file in (NVIDIA, GPU, OWN, COMPOSE))  # the last has the last word
    used = dict(re.findall(r"\$\{(ONCOSERVE_\w+):-([^}]*)\}", text))
    assert set(re.findall(r"\$\{(ONCOSERVE_\w+)", text)) == used.keys()
    rows = re.findall(r"^\| `(ONCOSERVE_\w+)` \| (.*?) \|", DOCUMENT, re.MULTILINE)
    assert dict(rows) == {name: f"`{default}`" if default else "none" for name, default in used.items()}


@pytest.mark.parametrize(
    ("part", "tested"),
    [("frontend", ""), ("triton", ""), ("export", ""), ("triton-gpu", "-gpu")],
)
def test_the_images_install_what_was_tested(part, tested):
    def pins(name):
        return {line.rstrip(" \\") for line in (PROJECT / name).read_text().splitlines() if "==" in line}

    assert pins(f"requirements-{part}.lock") <= pins(f"requirements{tested}.lock")
