"""The chart as Helm's own code renders it, and the values that it is rendered with here."""

import json
from pathlib import Path

import helm_python as helm
import yaml

from testbed.servers import PROJECT

FOLDER = PROJECT / "deploy/kubernetes"
CHART = FOLDER / "oncoserve"
RELEASE, NAMESPACE, NAME = "ward", "imaging", "ward-oncoserve"

PLAIN = {"access": {"keysSecret": "keys"}}
SHARED = PLAIN | {
    "objectStore": {"bucket": "results", "endpoint": "https://s3.hospital.example", "secret": "store"},
    "postgres": {"host": "db.hospital.example", "secret": "database"},
}
WORKERS = {
    "mri": {"models": ["brain_mri", "brain_tumour"], "replicas": 2, "maxReplicas": 5},
    "tissue": {"models": ["he_tissue"]},
}
S3 = {"source": "s3", "url": "s3://models/oncology", "endpoint": "https://s3.hospital.example", "secret": "models"}
VOLUME = {"source": "volume", "claim": "models", "path": "oncology"}
EVERYTHING = SHARED | {
    "image": {"registry": "registry.hospital.example/", "tag": "1.2.3", "pullSecrets": ["pull"]},
    "replicas": 2,
    "frontend": {"env": {"ONCO_RATE_LIMIT_PER_MIN": "60"}},
    "triton": {"env": {"ONCO_TRITON_EXIT_ON_ERROR": "false"}},
    "gpu": {"enabled": True, "runtimeClass": "nvidia", "nodeSelector": {"gpu": "yes"}},
    "models": S3 | {"caConfigMap": "authority"},
    "objectStore": SHARED["objectStore"] | {"caConfigMap": "authority", "prefix": "a/b"},
    "postgres": SHARED["postgres"] | {"caConfigMap": "authority"},
    "workers": WORKERS | {"rare": {"models": ["brain_mri"], "replicas": 0, "maxReplicas": 1, "gpu": False}},
    "scaling": {"kind": "keda"},
    "networkPolicy": {"from": [{"podSelector": {}}], "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]},
    "serviceAccount": {"annotations": {"role": "reader"}},
    "service": {"annotations": {"a": "b"}},
    "otlpEndpoint": "http://collector:4318",
    "podLabels": {"team": "radiology"},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"zone": "a"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
}
VARIANTS = {
    "plain": PLAIN,
    "anonymous": {"access": {"allowAnonymous": True}},
    "own claim": PLAIN | {"results": {"claim": "mine"}},
    "shared": SHARED | {"replicas": 3},
    "own rights": SHARED | {"objectStore": {"bucket": "results"}, "models": {"source": "s3", "url": "s3://models"}},
    "workers": SHARED | {"workers": WORKERS},
    "hpa": SHARED | {"workers": WORKERS, "scaling": {"kind": "hpa"}},
    "keda": SHARED | {"workers": WORKERS, "scaling": {"kind": "keda"}},
    "gpu": PLAIN | {"gpu": {"enabled": True}},
    "volume": PLAIN | {"models": VOLUME},
    "s3": PLAIN | {"models": S3},
    "open": PLAIN | {"networkPolicy": {"enabled": False}, "disruptionBudget": {"enabled": False}},
    "everything": EVERYTHING,
}


def rendered(values, *, name=RELEASE, folder=CHART):
    """Every object, as a cluster would get it."""
    with helm.Chart.load(folder) as chart:
        chart.validate_schema(values)
        texts = chart.render(values, name=name, namespace=NAMESPACE)
    texts = [text for path, text in texts.items() if not path.endswith("NOTES.txt")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def of_kind(kind, values):
    """The objects of a kind by their names without the release's."""
    found = [each for each in rendered(values) if each["kind"] == kind]
    return {each["metadata"]["name"].removeprefix(NAME).removeprefix("-"): each for each in found}


def pods(values):
    """The specifications of all pods, by the names of their Deployments without the release's."""
    return {name: each["spec"]["template"]["spec"] for name, each in of_kind("Deployment", values).items()}


def containers(pod):
    """All containers of a pod by name."""
    return {each["name"]: each for each in [*pod.get("initContainers", []), *pod["containers"]]}


def env(container):
    """Its variables, whose values are all written out."""
    return {each["name"]: each["value"] for each in container["env"]}


def default_values():
    return yaml.safe_load((CHART / "values.yaml").read_text())


def schema():
    return json.loads(Path(CHART, "values.schema.json").read_text())
