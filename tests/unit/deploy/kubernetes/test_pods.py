"""The pods: Triton as a native sidecar, what asks it over loopback, and what neither may do."""

import pytest
import yaml

from frontend.parent import KILL_AFTER_S
from inference_server.triton_settings import TritonSettings
from oncoserve.settings import LAUNCHER_PREFIX, PREFIX, Settings
from testbed.fakes import FakeBackend
from testbed.in_process import Service
from testbed.servers import PROJECT
from tests.unit.deploy.kubernetes.chart import (
    EVERYTHING,
    PLAIN,
    SHARED,
    VARIANTS,
    WORKERS,
    containers,
    env,
    of_kind,
    pods,
)

every_variant = pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)


@every_variant
def test_triton_is_there_before_the_others_and_after_them(values):
    for name, pod in pods(values).items():
        *before, triton = pod["initContainers"]
        assert [each["name"] for each in before] == (
            ["models"] if values.get("models", {}).get("source") == "s3" else []
        )
        assert (triton["name"], triton["restartPolicy"]) == ("triton", "Always")
        assert [each["name"] for each in pod["containers"]] == ["worker" if name.startswith("worker-") else "frontend"]
        assert env(pod["containers"][0])["ONCO_INFERENCE_URL"] == "127.0.0.1:8001"
        assert not {"ONCO_TRITON_HOST", "ONCO_TRITON_HTTP_PORT"} & env(triton).keys()  # loopback, and no HTTP
        assert "ports" not in triton


@every_variant
def test_security_is_that_of_compose_and_of_the_restricted_standard(values):
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["x-hardened"]
    assert (compose["read_only"], compose["cap_drop"]) == (True, ["ALL"])
    for pod in pods(values).values():
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & pod.keys()
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # they would be settings that nobody knows
        assert {key for each in pod["volumes"] for key in each} <= {
            "name", "emptyDir", "persistentVolumeClaim", "projected", "secret",
        }  # fmt: skip
        for each in containers(pod).values():
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "privileged": False,
                "readOnlyRootFilesystem": True,
            }
            assert "memory" in each["resources"]["limits"]


@every_variant
def test_writable_is_what_compose_has_and_the_results(values):
    for pod in pods(values).values():
        volumes = {each["name"]: each for each in pod["volumes"]}
        for name, each in containers(pod).items():
            mounts = {mount["mountPath"]: mount for mount in each["volumeMounts"]}
            writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
            expected = {"triton": {"/tmp", "/dev/shm"}, "models": {"/tmp", "/models"}}  # noqa: S108
            assert writable == expected.get(name, {"/tmp", "/dev/shm", "/var/lib/oncoserve"})  # noqa: S108
            assert {mount["name"] for mount in mounts.values()} <= volumes.keys()
        used = {mount["name"] for each in containers(pod).values() for mount in each["volumeMounts"]}
        assert used == volumes.keys()
        own = [each["mountPath"] for each in containers(pod)["triton"]["volumeMounts"] if each["name"] == "triton-tmp"]
        assert own == ["/tmp"]  # noqa: S108
        assert volumes["triton-tmp"]["emptyDir"]["medium"] == "Memory"


def sizes(values):
    (pod,) = pods(values).values()
    return {each["name"]: each["emptyDir"].get("sizeLimit") for each in pod["volumes"] if "emptyDir" in each}


def test_shared_memory_has_the_size_of_compose():
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["x-triton"]
    assert sizes(PLAIN)["triton-shm"] == compose["shm_size"].replace("m", "Mi")
    gpu = yaml.safe_load((PROJECT / "docker-compose.gpu.yml").read_text())["x-triton"]
    assert sizes(VARIANTS["gpu"])["triton-shm"] == gpu["shm_size"].replace("g", "Gi")


@every_variant
def test_settings_are_known_and_accepted(values, tmp_path, monkeypatch):
    """Each container's environment is read by the code that will read it, with files where Secrets are mounted."""
    for pod in pods(values).values():
        for name, each in containers(pod).items():
            given = {}
            for variable, value in env(each).items():
                path = tmp_path / value.lstrip("/")
                if variable.endswith("_FILE") and not value.startswith("/dev/"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
                    given[variable] = str(path)
                else:
                    given[variable] = value
            with monkeypatch.context() as patch:
                for variable, value in given.items():
                    patch.setenv(variable, value)
                if name == "triton":
                    assert all(variable.startswith(LAUNCHER_PREFIX) for variable in given)
                    assert TritonSettings.from_environment(given).host == "127.0.0.1"
                else:
                    assert all(variable.startswith(PREFIX) for variable in given)
                    assert not any(variable.startswith(LAUNCHER_PREFIX) for variable in given)
                    Settings.from_environment(given)


async def test_the_probes_ask_what_is_there(tmp_path):
    (pod,) = pods(PLAIN).values()
    frontend, triton = containers(pod)["frontend"], containers(pod)["triton"]
    asked = {kind: frontend[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
    assert {each["port"] for each in asked.values()} == {"http"}
    assert frontend["ports"] == [{"name": "http", "containerPort": 5000, "protocol": "TCP"}]
    async with Service(tmp_path, FakeBackend(), api_keys_file=write_keys(tmp_path)) as service:
        for each in asked.values():
            assert (await service.http.get(each["path"])).status_code == 200  # without a key
    assert {kind: each["path"] for kind, each in asked.items()} == {
        "startup": "/livez", "readiness": "/readyz", "liveness": "/livez",
    }  # fmt: skip
    for kind, path in (("startup", "readyz"), ("liveness", "livez")):
        (*_, code) = triton[f"{kind}Probe"]["exec"]["command"]
        assert f'"127.0.0.1", {TritonSettings.model_fields["status_port"].default}, ' in code
        assert f'"GET", "/{path}"' in code


def write_keys(folder):
    path = folder / "keys"
    path.write_text("")
    return path


def test_a_start_may_take_as_long_as_the_launcher_lets_it():
    for values in (PLAIN, VARIANTS["gpu"], PLAIN | {"triton": {"startupSeconds": 33}}):
        (pod,) = pods(values).values()
        triton = containers(pod)["triton"]
        probe = triton["startupProbe"]
        allowed_s = probe["periodSeconds"] * probe["failureThreshold"]
        assert allowed_s > int(env(triton)["ONCO_TRITON_STARTUP_TIMEOUT_S"]) + 10


def test_the_worker_s_probe_is_that_of_compose():
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]["worker"]
    worker = containers(pods(VARIANTS["workers"])["worker-mri"])["worker"]
    assert worker["livenessProbe"]["exec"]["command"][-1] == compose["healthcheck"]["test"][-1]
    assert worker["command"] == compose["command"]


@pytest.mark.parametrize(("drain", "grace", "stop"), [(5, 10, 15), (0, 0, 1), (60, 120, 30)])
def test_there_is_time_to_end_one_after_the_other(drain, grace, stop):
    values = SHARED | {
        "frontend": {"drainSeconds": drain, "graceSeconds": grace},
        "triton": {"stopSeconds": stop},
        "workers": WORKERS,
    }
    for pod in pods(values).values():
        first = env(pod["containers"][0])
        assert (float(first["ONCO_DRAIN_S"]), int(first["ONCO_SHUTDOWN_GRACE_S"])) == (drain, grace)
        assert env(containers(pod)["triton"])["ONCO_TRITON_STOP_GRACE_S"] == str(stop)
        assert pod["terminationGracePeriodSeconds"] > drain + grace + KILL_AFTER_S + stop


def test_a_worker_does_its_models_and_frontends_none():
    found = pods(VARIANTS["workers"])
    assert {name: env(pod["containers"][0]).get("ONCO_JOB_MODELS") for name, pod in found.items()} == {
        "": None, "worker-mri": "brain_mri,brain_tumour", "worker-tissue": "he_tissue",
    }  # fmt: skip
    assert env(found[""]["containers"][0])["ONCO_JOB_WORKERS"] == "0"
    (alone,) = pods(PLAIN).values()
    assert env(alone["containers"][0])["ONCO_JOB_WORKERS"] == "1"
    replicas = {name: each["spec"].get("replicas") for name, each in of_kind("Deployment", VARIANTS["workers"]).items()}
    assert replicas == {"": 1, "worker-mri": 2, "worker-tissue": 1}


def test_who_the_pods_are():
    assert of_kind("ServiceAccount", EVERYTHING)[""]["metadata"]["annotations"] == {"role": "reader"}
    named = PLAIN | {"serviceAccount": {"name": "given"}}
    assert of_kind("ServiceAccount", named) == {}
    assert {pod["serviceAccountName"] for pod in pods(named).values()} == {"given"}
