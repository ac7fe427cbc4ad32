"""KEDA's objects of the chart and KServe's of the example, held against the schemas that packages publish of them."""

import json
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from inference_server.triton_settings import TritonSettings
from testbed.locked_environment import make_environment
from testbed.servers import PROJECT
from tests.unit.deploy.kubernetes.chart import EVERYTHING, FOLDER, PLAIN, VARIANTS, containers, env, pods, rendered

HERE = Path(__file__).parent
EXAMPLE = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("kserve/*.yaml"))}
RUNTIME, SERVICE, POLICY = (EXAMPLE[name] for name in ("serving-runtime", "inference-service", "network-policy"))


@pytest.fixture(scope="module")
def published(unavailable):
    """Schemas by apiVersion and kind. The packages do not fit beside the project's: they have their own environment."""
    try:
        python = make_environment(PROJECT / "build/kubernetes", HERE / "schemas.lock") / "python"
    except (OSError, subprocess.CalledProcessError) as error:
        unavailable("schemas", f"the packages with KEDA's and KServe's schemas cannot be installed: {error}")
    done = subprocess.run([python, HERE / "published_schemas.py"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def check(published, document):
    schema = published[f"{document['apiVersion']} {document['kind']}"]
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("values", [VARIANTS["keda"], EVERYTHING], ids=["keda", "everything"])
def test_keda_knows_every_field(published, values):
    found = [each for each in rendered(values) if each["apiVersion"].startswith("keda.sh/")]
    assert {each["kind"] for each in found} == {"ScaledObject", "TriggerAuthentication"}
    for each in found:
        check(published, each)


def test_kserve_knows_every_field(published):
    check(published, RUNTIME)
    check(published, SERVICE)


@pytest.mark.parametrize(
    "document",
    [
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "spec": {"scaleTargetRef": {"name": "a"}, "trigger": []},
        },
        {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "spec": {"secretRef": []}},
        RUNTIME | {"spec": RUNTIME["spec"] | {"multimodel": False}},
        SERVICE | {"spec": {"predictor": {"model": {"storageURI": "s3://models"}}}},
    ],
)
def test_a_field_that_is_not_known_is_found(published, document):
    with pytest.raises(jsonschema.ValidationError):
        check(published, document)


def test_what_kubernetes_has_in_the_example_is_right():
    """KServe makes a pod of the runtime; its containers and volumes are Kubernetes' own."""
    spec = {key: RUNTIME["spec"][key] for key in ("containers", "volumes")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "oncoserve"}, "spec": spec}
    for document in (pod, POLICY):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_runtime_is_the_chart_s_triton_for_others_to_reach(monkeypatch):
    (container,) = RUNTIME["spec"]["containers"]
    (chart,) = (containers(pod)["triton"] for pod in pods(PLAIN).values())
    assert container["name"] == "kserve-container"
    for same in ("image", "startupProbe", "livenessProbe", "resources"):
        assert container[same] == chart[same], same
    assert chart["securityContext"].items() <= container["securityContext"].items()
    assert container["securityContext"]["runAsUser"] == 10001
    for name, value in env(container).items():
        monkeypatch.setenv(name, value)
    settings = TritonSettings.from_environment(env(container))
    assert settings.host == "0.0.0.0"  # noqa: S104 - compared, not bound
    assert str(settings.model_repository) == "/mnt/models"  # where KServe copies storageUri to
    assert container["ports"] == [{"name": "h2c", "containerPort": settings.grpc_port, "protocol": "TCP"}]
    (rule,) = POLICY["spec"]["ingress"]
    assert rule["ports"] == [{"port": settings.grpc_port, "protocol": "TCP"}]


def test_the_service_asks_for_the_runtime_in_a_protocol_that_it_has():
    model = SERVICE["spec"]["predictor"]["model"]
    assert model["runtime"] == RUNTIME["metadata"]["name"]
    assert model["protocolVersion"] in RUNTIME["spec"]["protocolVersions"]
    assert model["modelFormat"] in RUNTIME["spec"]["supportedModelFormats"]
    assert POLICY["spec"]["podSelector"]["matchLabels"] == {
        "serving.kserve.io/inferenceservice": SERVICE["metadata"]["name"]
    }
