"""What pods are given: models, secrets, images, GPUs, a place for results."""

import itertools

import pytest

from testbed.servers import PROJECT
from tests.unit.deploy.kubernetes.chart import (
    EVERYTHING,
    PLAIN,
    S3,
    SHARED,
    VARIANTS,
    VOLUME,
    WORKERS,
    containers,
    env,
    of_kind,
    pods,
)

every_variant = pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)


@every_variant
def test_files_of_secrets_are_where_the_settings_look(values):
    for pod in pods(values).values():
        volumes = {each["name"]: each for each in pod["volumes"]}
        for name, each in containers(pod).items():
            there = {
                f"{mount['mountPath']}/{item['path']}"
                for mount in each["volumeMounts"]
                for item in items(volumes[mount["name"]])
            }
            named = {value for variable, value in env(each).items() if variable.endswith("_FILE")} - {"/dev/stderr"}
            assert named == there, name


def items(volume):
    sources = [volume, *volume.get("projected", {}).get("sources", [])]
    return itertools.chain.from_iterable(
        source[kind]["items"] for source in sources for kind in ("secret", "configMap") if kind in source
    )


def test_no_variable_has_a_secret_and_nobody_has_another_s():
    for name, pod in pods(EVERYTHING).items():
        for container, each in containers(pod).items():
            assert all(entry.keys() == {"name", "value"} for entry in each["env"])
            mounts = {mount["name"] for mount in each["volumeMounts"]}
            expected = {"models": {"model-secrets"}, "triton": set(), "frontend": {"secrets", "keys"}}
            assert mounts & {"secrets", "keys", "model-secrets"} == expected.get(container, {"secrets"}), name
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert ("keys" in volumes) == (name == "")
        for each in volumes.values():
            for kind in ("secret", "projected"):
                assert each.get(kind, {"defaultMode": 0o440})["defaultMode"] == 0o440


@pytest.mark.parametrize(("models", "kind"), [(VOLUME, "persistentVolumeClaim"), (S3, "emptyDir")])
def test_triton_and_the_cards_are_read_from_one_folder(models, kind):
    for pod in pods(SHARED | {"workers": WORKERS, "models": models}).values():
        (volume,) = (each for each in pod["volumes"] if each["name"] == "models")
        assert kind in volume
        found = []
        for name, variable in (
            ("triton", "ONCO_TRITON_MODEL_REPOSITORY"),
            (pod["containers"][0]["name"], "ONCO_MODEL_REPOSITORY"),
        ):
            each = containers(pod)[name]
            (mount,) = (mount for mount in each["volumeMounts"] if mount["name"] == "models")
            assert env(each)[variable] == mount["mountPath"]
            found.append(mount)
        assert found[0] == found[1]
        assert found[0]["readOnly"] is True
        assert found[0].get("subPath") == models.get("path")


def test_models_of_the_image_are_where_the_images_have_them():
    (pod,) = pods(PLAIN).values()
    for each in containers(pod).values():
        assert not [name for name in env(each) if name.endswith("MODEL_REPOSITORY")]


def test_a_bucket_of_models_is_copied_by_the_project_s_own_command():
    (pod,) = pods(PLAIN | {"models": S3}).values()
    fetch = containers(pod)["models"]
    assert fetch["command"] == [
        "python",
        "-m",
        "oncoserve",
        "storage",
        "fetch",
        "s3://models/oncology",
        "--to",
        "/models",
    ]
    assert env(fetch)["ONCO_S3_ENDPOINT"] == S3["endpoint"]
    own_rights = containers(pods(VARIANTS["own rights"])[""])["models"]
    assert env(own_rights) == {"ONCO_S3_ENDPOINT": "", "ONCO_S3_REGION": "us-east-1"}


def test_a_gpu_is_asked_for_by_triton_alone():
    values = EVERYTHING | {
        "gpu": EVERYTHING["gpu"] | {"count": 2, "instances": 3, "resource": "nvidia.com/mig-1g.10gb"}
    }
    for name, pod in pods(values).items():
        with_gpu = name != "worker-rare"
        triton = containers(pod)["triton"]
        assert triton["image"].endswith("/oncoserve-triton-gpu:1.2.3" if with_gpu else "/oncoserve-triton:1.2.3")
        assert triton["resources"]["limits"].get("nvidia.com/mig-1g.10gb") == (2 if with_gpu else None)
        assert triton["resources"]["limits"]["memory"] == ("16Gi" if with_gpu else "4Gi")
        assert env(triton).get("ONCO_TRITON_DEVICE") == ("gpu" if with_gpu else None)
        assert env(triton).get("ONCO_TRITON_GPU_INSTANCES") == ("3" if with_gpu else None)
        assert pod.get("runtimeClassName") == ("nvidia" if with_gpu else None)
        assert pod["nodeSelector"] == ({"zone": "a", "gpu": "yes"} if with_gpu else {"zone": "a"})
        assert len(pod["tolerations"]) == (2 if with_gpu else 1)
        assert "nvidia" not in str(pod["containers"][0]["resources"])


def test_images_have_a_registry_and_a_tag():
    (pod,) = pods(PLAIN).values()
    assert {each["image"] for each in containers(pod).values()} == {
        "oncoserve-triton:0.1.0",
        "oncoserve-frontend:0.1.0",
    }
    targets = {
        line.split()[-1] for line in (PROJECT / "Dockerfile").read_text().splitlines() if line.startswith("FROM ")
    }
    for pod in pods(EVERYTHING).values():
        assert pod["imagePullSecrets"] == [{"name": "pull"}]
        for each in containers(pod).values():
            assert each["image"].startswith("registry.hospital.example/oncoserve-")
            name, _, tag = each["image"].rpartition("/")[2].partition(":")
            assert tag == "1.2.3"
            assert name.removeprefix("oncoserve-") in targets


def test_a_claim_is_made_once_and_kept_and_never_shared():
    (claim,) = of_kind("PersistentVolumeClaim", PLAIN).values()
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    (pod,) = pods(PLAIN).values()
    assert {"claimName": claim["metadata"]["name"]} in [each.get("persistentVolumeClaim") for each in pod["volumes"]]
    assert of_kind("Deployment", PLAIN)[""]["spec"]["strategy"] == {"type": "Recreate"}
    assert of_kind("PersistentVolumeClaim", VARIANTS["own claim"]) == {}
    assert of_kind("PersistentVolumeClaim", SHARED) == {}
    assert of_kind("Deployment", SHARED)[""]["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": 1,
        "maxUnavailable": 0,
    }
    beside_a_gpu = of_kind("Deployment", SHARED | {"gpu": {"enabled": True}})[""]["spec"]["strategy"]
    assert beside_a_gpu["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
