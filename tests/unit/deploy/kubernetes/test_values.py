"""Every value is used, documented, and the only one of its name that is taken."""

import copy

import helm_python as helm
import pytest
import yaml

from tests.unit.deploy.kubernetes.chart import (
    CHART,
    EVERYTHING,
    PLAIN,
    S3,
    SHARED,
    VOLUME,
    default_values,
    rendered,
    schema,
)

README = (CHART / "README.md").read_text()
ANONYMOUS = {"access": {"allowAnonymous": True}}
HPA = SHARED | {"scaling": {"kind": "hpa"}, "workers": {"a": {"models": ["x"], "maxReplicas": 2}}}
KEDA = HPA | {"scaling": {"kind": "keda"}}
GPU = PLAIN | {"gpu": {"enabled": True}}
RESOURCES = {"requests": {"cpu": "7"}, "limits": {"memory": "7Gi"}}
TAINT = [{"key": "a", "operator": "Exists"}]
# For each value: another one than its default, and the values beside which it means something.
OTHERS = {
    "image.registry": ("r/", PLAIN),
    "image.frontend": ("f", PLAIN),
    "image.triton": ("t", PLAIN),
    "image.tritonGpu": ("t", GPU),
    "image.tag": ("1.2", PLAIN),
    "image.pullPolicy": ("Always", PLAIN),
    "image.pullSecrets": (["a"], PLAIN),
    "access.keysSecret": ("other", PLAIN),
    "access.allowAnonymous": (True, PLAIN),
    "replicas": (2, SHARED),
    "frontend.processes": (2, PLAIN),
    "frontend.drainSeconds": (6, PLAIN),
    "frontend.graceSeconds": (11, PLAIN),
    "frontend.env": ({"ONCO_LOG_LEVEL": "debug"}, PLAIN),
    "frontend.resources": (RESOURCES, PLAIN),
    "triton.threads": (3, PLAIN),
    "triton.startupSeconds": (301, PLAIN),
    "triton.stopSeconds": (16, PLAIN),
    "triton.shmSize": ("1Gi", PLAIN),
    "triton.env": ({"ONCO_TRITON_EXIT_ON_ERROR": "false"}, PLAIN),
    "triton.resources": (RESOURCES, PLAIN),
    "gpu.enabled": (True, PLAIN),
    "gpu.count": (2, GPU),
    "gpu.resource": ("nvidia.com/mig-1g.10gb", GPU),
    "gpu.instances": (2, GPU),
    "gpu.runtimeClass": ("nvidia", GPU),
    "gpu.startupSeconds": (601, GPU),
    "gpu.shmSize": ("2Gi", GPU),
    "gpu.resources": (RESOURCES, GPU),
    "gpu.nodeSelector": ({"a": "b"}, GPU),
    "gpu.tolerations": ([], GPU),
    "models.source": ("volume", PLAIN | {"models": {"claim": "c"}}),
    "models.claim": ("other", PLAIN | {"models": VOLUME}),
    "models.path": ("other", PLAIN | {"models": VOLUME}),
    "models.url": ("s3://other", PLAIN | {"models": S3}),
    "models.endpoint": ("http://other", PLAIN | {"models": S3}),
    "models.region": ("eu-west-1", PLAIN | {"models": S3}),
    "models.secret": ("other", PLAIN | {"models": S3}),
    "models.caConfigMap": ("other", PLAIN | {"models": S3}),
    "models.size": ("5Gi", PLAIN | {"models": S3}),
    "results.claim": ("mine", PLAIN),
    "results.size": ("21Gi", PLAIN),
    "results.storageClass": ("fast", PLAIN),
    "objectStore.bucket": ("other", SHARED),
    "objectStore.prefix": ("a", SHARED),
    "objectStore.endpoint": ("http://other", SHARED),
    "objectStore.region": ("eu-west-1", SHARED),
    "objectStore.secret": ("other", SHARED),
    "objectStore.caConfigMap": ("other", SHARED),
    "objectStore.cacheBytes": (2**40, SHARED),
    "postgres.host": ("other", SHARED),
    "postgres.port": (5433, SHARED),
    "postgres.database": ("other", SHARED),
    "postgres.user": ("other", SHARED),
    "postgres.secret": ("other", SHARED),
    "postgres.tls": (False, SHARED),
    "postgres.caConfigMap": ("other", SHARED),
    "workers": ({"a": {"models": ["x"]}}, SHARED),
    "scaling.kind": ("keda", SHARED),
    "scaling.maxReplicas": (5, HPA),
    "scaling.pendingRequests": (9, HPA),
    "scaling.queuedImages": (51, HPA),
    "scaling.quietSeconds": (301, HPA),
    "scaling.prometheus": ("http://other", KEDA),
    "scaling.query": ("up", KEDA),
    "service.type": ("NodePort", PLAIN),
    "service.port": (80, PLAIN),
    "service.annotations": ({"a": "b"}, PLAIN),
    "networkPolicy.enabled": (False, PLAIN),
    "networkPolicy.from": ([{"podSelector": {}}], PLAIN),
    "networkPolicy.egress": ([{"to": [{"podSelector": {}}]}], PLAIN),
    "disruptionBudget.enabled": (False, PLAIN),
    "serviceAccount.name": ("given", PLAIN),
    "serviceAccount.annotations": ({"a": "b"}, PLAIN),
    "otlpEndpoint": ("http://other", PLAIN),
    "podLabels": ({"a": "b"}, PLAIN),
    "podAnnotations": ({"a": "b"}, PLAIN),
    "nodeSelector": ({"a": "b"}, PLAIN),
    "tolerations": (TAINT, PLAIN),
}


def with_value(values, path, value):
    found = copy.deepcopy(values)
    *sections, name = path.split(".")
    inner = found
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[name] = value
    return found


def documented():
    """Of values.yaml: each value that has a comment, its default, and the comment."""
    found, sections, comment = {}, [], []
    for line in (CHART / "values.yaml").read_text().splitlines():
        text, depth = line.strip(), (len(line) - len(line.lstrip())) // 2
        if text.startswith("#"):
            comment.append(text.removeprefix("#").strip())
        elif not text:
            comment = []
        elif not text.startswith("-"):
            name = text.partition(":")[0]
            sections = [*sections[:depth], name]
            if comment:
                found[".".join(sections)] = " ".join(comment)
            comment = []
    return found


def leaves():
    """The paths of documented values; every other value is in one of them, or a section that has nothing but them."""
    paths = documented()

    def look(values, path):
        if path in paths:
            yield path
            return
        assert isinstance(values, dict), f"{path} has no comment"
        for name, inner in values.items():
            yield from look(inner, f"{path}.{name}" if path else name)

    return list(look(default_values(), ""))


def default(path):
    values = default_values()
    for name in path.split("."):
        values = values[name]
    return values


def test_each_value_is_tried_below():
    assert leaves() == list(documented())
    assert set(OTHERS) == set(leaves())


@pytest.mark.parametrize("path", OTHERS)
def test_each_value_changes_something(path):
    other, beside = OTHERS[path]
    assert other != default(path)
    assert rendered(with_value(beside, path, other)) != rendered(beside)


def test_defaults_are_what_is_rendered_without_them():
    assert rendered(default_values() | ANONYMOUS) == rendered(ANONYMOUS)


def in_words(value):
    if value in ("", {}, []):
        return "none"
    return f"`{yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix('...' + chr(10)).strip()}`"


def test_the_table_of_the_readme_is_values_yaml():
    rows = [f"| `{path}` | {in_words(default(path))} | {meaning} |" for path, meaning in documented().items()]
    assert [line for line in README.splitlines() if line.startswith("| `")] == rows, "\n".join(rows)


def sections(values, found, path=()):
    yield path, found
    for name, inner in found["properties"].items():
        if "properties" in inner and name in values:
            yield from sections(values[name], inner, (*path, name))


def test_the_schema_has_the_same_values():
    for path, found in sections(default_values(), schema()):
        values = default_values()
        for name in path:
            values = values[name]
        if path[-1:] != ("resources",):  # whose kinds Kubernetes knows
            assert found["properties"].keys() - {"global"} == values.keys(), path
        assert found["additionalProperties"] is False, path


@pytest.mark.parametrize(
    "path", ["replica", *(f"{path}x" for path in OTHERS), "workers.a.model", "workers.A", "workers.a.gpus"]
)
def test_a_name_that_is_not_known_is_refused(path):
    with pytest.raises(helm.HelmValuesError, match=r"dditional propert|propertyName|pattern|does not match"):
        rendered(with_value(EVERYTHING, path, "x" if path != "workers.A" else {}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicas", 0),
        ("replicas", "2"),
        ("image.registry", "registry.hospital.example"),
        ("access.keysSecret", "Not A Name"),
        ("frontend.env", {"AWS_SECRET_ACCESS_KEY": "x"}),
        ("frontend.env", {"ONCO_WORKERS": 2}),
        ("triton.env", {"ONCO_WORKERS": "2"}),
        ("models.source", "https"),
        ("models.url", "https://models"),
        ("objectStore.endpoint", "https://store/bucket"),
        ("postgres.user", "me:secret"),
        ("scaling.kind", "vpa"),
        ("workers", {"a": {"models": ["x'); DROP TABLE messages; --"]}}),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(path, value):
    with pytest.raises(helm.HelmValuesError):
        rendered(with_value(SHARED, path, value))
