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

from oncoserve.settings import Settings
from testbed.servers import PROJECT
from tests.code_blocks import code_blocks

COMPOSE, GPU = "docker-compose.yml", "docker-compose.gpu.yml"
DOCUMENT = (PROJECT / "docs" / "compose.md").read_text()
TOOLS = Path(sys.executable).parent
PROFILES = ([], ["--profile=observability"])


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
    check("yamllint", "--strict", COMPOSE, GPU)


def test_the_file_follows_the_compose_specification():
    check("check-jsonschema", "--builtin-schema=vendor.compose-spec", COMPOSE)


@pytest.mark.parametrize("profile", PROFILES, ids=str)
@pytest.mark.parametrize("files", [[COMPOSE], [COMPOSE, GPU]], ids=len)
def test_every_combination_is_valid(compose_command, tmp_path, files, profile):
    merged = tmp_path / "merged.json"
    merged.write_text(json.dumps(read(files, *profile)))
    check("check-jsonschema", "--builtin-schema=vendor.compose-spec", str(merged))


@pytest.mark.parametrize("profile", PROFILES, ids=str)
@pytest.mark.parametrize("files", [[COMPOSE], [COMPOSE, GPU]], ids=len)
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
        if not name.startswith("check-"):
            assert service["healthcheck"]["test"], name
            assert service["restart"] != "no", name
        if service["image"] not in ours and not name.startswith("check-"):
            assert re.search(r":v?\d+\.\d+", service["image"]), f"{name}: no version"


@pytest.mark.parametrize("files", [[COMPOSE], [COMPOSE, GPU]], ids=len)
def test_a_proxy_that_docker_gives_to_containers_is_not_asked_for_their_own_names(compose_command, files):
    services = read(files, *PROFILES[1], NO_PROXY="hospital.example")["services"]
    for name, service in services.items():
        if service["image"].startswith("nvcr.io"):  # asks nobody but itself, in its health check
            assert "--noproxy" in service["healthcheck"]["test"]
            continue
        for variable in ("NO_PROXY", "no_proxy"):
            direct = service["environment"][variable].split(",")
            assert {"localhost", "127.0.0.1", "::1", "hospital.example"} <= set(direct), name
            assert {other for other in services if not other.startswith("check-")} <= set(direct), name
    assert not read(files)["services"]["frontend"]["environment"]["NO_PROXY"].endswith(",")


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


def test_the_gpu_file_swaps_triton_and_nothing_else(compose_command):
    cpu, gpu = read([COMPOSE])["services"], read([COMPOSE, GPU])["services"]
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


def test_every_model_has_the_configuration_that_the_gpu_file_asks_for():
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
    assert f"engines:{cache}" in (PROJECT / GPU).read_text()


def test_every_variable_is_explained():
    text = "".join((PROJECT / file).read_text() for file in (COMPOSE, GPU))
    used = dict(re.findall(r"\$\{(ONCOSERVE_\w+):-([^}]*)\}", (PROJECT / COMPOSE).read_text()))
    assert set(re.findall(r"\$\{(ONCOSERVE_\w+)", text)) == used.keys()
    rows = re.findall(r"^\| `(ONCOSERVE_\w+)` \| (.*?) \|", DOCUMENT, re.MULTILINE)
    assert dict(rows) == {name: f"`{default}`" if default else "none" for name, default in used.items()}


@pytest.mark.parametrize("part", ["frontend", "triton", "export"])
def test_the_images_install_what_was_tested(part):
    def pins(name):
        return {line.rstrip(" \\") for line in (PROJECT / name).read_text().splitlines() if "==" in line}

    assert pins(f"requirements-{part}.lock") <= pins("requirements.lock")
