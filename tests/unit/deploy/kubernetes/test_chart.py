"""What Helm and Kubernetes say of the chart, whatever its values."""

import subprocess
import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

import oncoserve
from tests.unit.deploy.kubernetes.chart import CHART, FOLDER, NAME, PLAIN, SHARED, VARIANTS, WORKERS, rendered

FOREIGN = ("keda.sh/", "serving.kserve.io/")  # test_published_schemas.py
VERSIONS = ("1.29", kubernetes_validate.latest_version())  # the first that the chart is for, and the newest known here
every_variant = pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)


@every_variant
def test_helm_finds_nothing_to_mend(values):
    report = helm.lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert [each["error"] for each in report["messages"]] == ["icon is recommended"]


@every_variant
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_of_kubernetes(values, version):
    objects = rendered(values)
    assert {"Deployment", "Service"} <= {each["kind"] for each in objects}
    for each in objects:
        if not each["apiVersion"].startswith(FOREIGN):
            kubernetes_validate.validate(each, version, strict=True)


def test_what_kubernetes_does_not_know_is_found():
    (deployment,) = (each for each in rendered(PLAIN) if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["initContainers"][0]["restart"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="restart"):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


@every_variant
def test_no_two_objects_have_one_name(values):
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered(values)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("ward", NAME),
        ("oncoserve", "oncoserve"),
        ("my-oncoserve-2", "my-oncoserve-2"),
        ("w" * 53, "w" * 30 + "-oncoserve"),
    ],
)
def test_names_begin_with_the_release_and_are_short_enough(release, name):
    objects = rendered(SHARED | {"workers": {"w" * 15: {"models": ["he_tissue"]}}}, name=release)
    assert name in {each["metadata"]["name"] for each in objects}
    assert all(each["metadata"]["name"].startswith(name) for each in objects)
    assert max(len(each["metadata"]["name"]) for each in objects) <= 63  # what a label may have


def test_versions_are_those_of_the_code():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (oncoserve.__version__,) * 2


def test_yamllint():
    files = [*FOLDER.glob("kserve/*.yaml"), CHART / "Chart.yaml", CHART / "values.yaml"]
    lint = [Path(sys.executable).with_name("yamllint"), "--strict", *files]
    done = subprocess.run(lint, cwd=FOLDER.parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


REFUSED = {
    "neither keys nor leave": ({}, "set access.keysSecret, or access.allowAnonymous=true"),
    "two pods, files": (PLAIN | {"replicas": 2}, "set objectStore.bucket and postgres.host"),
    "a worker, files": (PLAIN | {"workers": WORKERS}, "set objectStore.bucket and postgres.host"),
    "scaling, files": (PLAIN | {"scaling": {"kind": "hpa"}}, "set objectStore.bucket and postgres.host"),
    "no password": (SHARED | {"postgres": {"host": "db", "secret": ""}}, "postgres.host needs postgres.secret"),
    "no claim": (PLAIN | {"models": {"source": "volume"}}, "models.source=volume needs models.claim"),
    "no address": (PLAIN | {"models": {"source": "s3"}}, "models.source=s3 needs models.url"),
    "less than the least": (SHARED | {"replicas": 5, "scaling": {"kind": "keda"}}, "more than scaling.maxReplicas"),
    "less than the least worker": (
        SHARED | {"workers": {"a": {"replicas": 3, "maxReplicas": 2}}},
        "workers.a.replicas is more than its maxReplicas",
    ),
    "from none by hpa": (
        SHARED | {"scaling": {"kind": "hpa"}, "workers": {"a": {"replicas": 0, "maxReplicas": 2}}},
        "does not begin at none; KEDA does",
    ),
    "a setting twice": (PLAIN | {"frontend": {"env": {"ONCO_DRAIN_S": "3"}}}, "frontend.env.ONCO_DRAIN_S"),
    "a setting of Triton's": (
        PLAIN | {"frontend": {"env": {"ONCO_TRITON_THREADS": "3"}}},
        "belongs into triton.env",
    ),
    "a launcher's setting twice": (PLAIN | {"triton": {"env": {"ONCO_TRITON_THREADS": "3"}}}, "ONCO_TRITON_THREADS"),
}


@pytest.mark.parametrize(("values", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_in_words(values, words):
    with pytest.raises(helm.HelmRenderError, match=words):
        rendered(values)


def test_the_notes_say_how_to_reach_it():
    with helm.Chart.load(CHART) as chart:
        notes = chart.render(PLAIN, name="ward")["oncoserve/templates/NOTES.txt"]
    assert "Research use only. Not a medical device." in notes
    assert f"port-forward service/{NAME} 5000:5000" in notes


def test_the_package_has_everything_that_is_rendered(tmp_path):
    archive = helm.package(CHART, destination=tmp_path)
    assert rendered(VARIANTS["everything"], folder=archive) == rendered(VARIANTS["everything"])
