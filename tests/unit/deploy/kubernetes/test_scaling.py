"""What adds, removes and protects pods, and who reaches them."""

import pytest
from sqlalchemy import create_engine, insert, text

from oncoserve.inference.pending import SERIES
from oncoserve.jobs.sql.job_tables import messages
from oncoserve.runtime.metrics import Metrics
from tests.unit.deploy.kubernetes.chart import EVERYTHING, NAME, NAMESPACE, PLAIN, SHARED, VARIANTS, WORKERS, of_kind

ALL = {"", "worker-mri", "worker-tissue", "worker-rare"}
SCALED = {"", "worker-mri"}  # worker-tissue has no maxReplicas


def selected(deployment):
    """The labels of a Deployment's pods."""
    return deployment["spec"]["template"]["metadata"]["labels"].items()


def component(name):
    return name or "frontend"


def test_port_5000_of_frontends_is_all_that_is_open():
    for values in (PLAIN, VARIANTS["workers"], EVERYTHING):
        deployments, policies = of_kind("Deployment", values), of_kind("NetworkPolicy", values)
        assert policies.keys() == {component(name) for name in deployments}
        for name, deployment in deployments.items():
            spec = policies[component(name)]["spec"]
            assert spec["podSelector"]["matchLabels"].items() <= selected(deployment)
            assert "Ingress" in spec["policyTypes"]
            ports = [port for rule in spec["ingress"] for port in rule["ports"]]
            assert ports == ([] if name else [{"port": 5000, "protocol": "TCP"}])
    (rule,) = policies["frontend"]["spec"]["ingress"]
    assert rule["from"] == EVERYTHING["networkPolicy"]["from"]


def test_no_pod_is_in_the_policy_of_another():
    deployments = of_kind("Deployment", EVERYTHING)
    for name, policy in of_kind("NetworkPolicy", EVERYTHING).items():
        labels = policy["spec"]["podSelector"]["matchLabels"].items()
        assert [each for each, found in deployments.items() if labels <= selected(found)] == [
            "" if name == "frontend" else name
        ]


def test_ways_out_are_closed_when_some_are_named():
    for policy in of_kind("NetworkPolicy", PLAIN).values():
        assert policy["spec"]["policyTypes"] == ["Ingress"]
    for policy in of_kind("NetworkPolicy", EVERYTHING).values():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        names, *others = policy["spec"]["egress"]
        assert {each["port"] for each in names["ports"]} == {53}
        assert others == EVERYTHING["networkPolicy"]["egress"]


def test_the_service_leads_to_frontends_alone():
    (service,) = of_kind("Service", EVERYTHING).values()
    labels = service["spec"]["selector"].items()
    deployments = of_kind("Deployment", EVERYTHING)
    assert [name for name, each in deployments.items() if labels <= selected(each)] == [""]
    assert [(each["port"], each["targetPort"]) for each in service["spec"]["ports"]] == [(5000, "http")]


def test_one_pod_of_each_kind_at_a_time_is_drained():
    deployments, budgets = of_kind("Deployment", EVERYTHING), of_kind("PodDisruptionBudget", EVERYTHING)
    assert budgets.keys() == {component(name) for name in deployments}
    for name, deployment in deployments.items():
        spec = budgets[component(name)]["spec"]
        assert spec["maxUnavailable"] == 1
        assert spec["selector"]["matchLabels"].items() <= selected(deployment)


@pytest.mark.parametrize(
    ("values", "kind"), [(VARIANTS["hpa"], "HorizontalPodAutoscaler"), (EVERYTHING, "ScaledObject")]
)
def test_what_is_scaled_has_no_number_of_its_own(values, kind):
    scalers, deployments = of_kind(kind, values), of_kind("Deployment", values)
    assert scalers.keys() == SCALED | ({"worker-rare"} & deployments.keys())
    for name, each in deployments.items():
        assert ("replicas" in each["spec"]) == (name not in scalers)
    for name, each in scalers.items():
        assert each["spec"]["scaleTargetRef"]["name"] == deployments[name]["metadata"]["name"]


def test_nothing_is_scaled_unless_it_is_asked_for():
    for kind in ("HorizontalPodAutoscaler", "ScaledObject", "TriggerAuthentication"):
        assert of_kind(kind, VARIANTS["workers"]) == {}
    assert of_kind("ScaledObject", VARIANTS["hpa"]) == {}
    assert of_kind("HorizontalPodAutoscaler", VARIANTS["keda"]) == {}


def test_frontends_are_scaled_by_what_waits_in_triton():
    found = of_kind("HorizontalPodAutoscaler", VARIANTS["hpa"])[""]["spec"]
    assert (found["minReplicas"], found["maxReplicas"]) == (1, 4)
    (metric,) = found["metrics"]
    assert metric["pods"]["metric"]["name"] == SERIES.decode()
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "8"}
    found = of_kind("ScaledObject", EVERYTHING)[""]["spec"]
    assert (found["minReplicaCount"], found["maxReplicaCount"]) == (2, 4)
    (trigger,) = found["triggers"]
    query = f'sum({SERIES.decode()}{{namespace="{NAMESPACE}",pod=~"{NAME}-.*"}})'
    assert trigger == {
        "type": "prometheus",
        "metadata": {
            "serverAddress": "http://prometheus-server.monitoring.svc:80",
            "query": query,
            "threshold": "8",
        },
    }
    stable = found["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert stable == {"stabilizationWindowSeconds": 300}


def test_workers_are_scaled_by_a_series_that_there_is():
    found = of_kind("HorizontalPodAutoscaler", VARIANTS["hpa"])["worker-mri"]["spec"]
    assert (found["minReplicas"], found["maxReplicas"]) == (2, 5)
    (metric,) = found["metrics"]
    metrics = Metrics()
    metrics.show_backlog({"brain_mri": {"waiting": 3, "in_flight": 2, "dead": 7}, "he_tissue": {"waiting": 9}})
    name = metric["external"]["metric"]["name"]
    lines = [line for line in metrics.expose().decode().splitlines() if line.startswith(f"{name}{{")]
    conditions = metric["external"]["metric"]["selector"]["matchExpressions"]
    assert {each["operator"] for each in conditions} == {"In"}
    counted = sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if all(any(f'{each["key"]}="{value}"' in line for value in each["values"]) for each in conditions)
    )
    assert counted == 5


def test_workers_are_scaled_by_what_lies_in_the_queue():
    """KEDA's question, asked of the tables that the service makes."""
    found = of_kind("ScaledObject", EVERYTHING)
    assert [found["worker-rare"]["spec"][key] for key in ("minReplicaCount", "maxReplicaCount")] == [0, 1]
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        messages.create(connection)
        for model in ("brain_mri", "brain_mri", "brain_tumour", "he_tissue"):
            connection.execute(insert(messages).values(model=model, job_id="1", body="{}", visible=0.0))
        for name, count in (("worker-mri", 3), ("worker-rare", 2)):
            (trigger,) = found[name]["spec"]["triggers"]
            assert trigger["type"] == "postgresql"
            assert connection.execute(text(trigger["metadata"]["query"])).scalar_one() == count
    everybody = SHARED | {"scaling": {"kind": "keda"}, "workers": {"all": {"maxReplicas": 2}}}
    (trigger,) = of_kind("ScaledObject", everybody)["worker-all"]["spec"]["triggers"]
    assert trigger["metadata"]["query"] == "SELECT count(*) FROM messages"


def test_keda_asks_the_database_of_the_settings_with_the_password_of_the_secret():
    (trigger,) = of_kind("ScaledObject", EVERYTHING)["worker-mri"]["spec"]["triggers"]
    wanted = {"host": "db.hospital.example", "port": "5432", "userName": "oncoserve", "dbName": "oncoserve"}
    assert wanted.items() <= trigger["metadata"].items()
    assert trigger["metadata"]["sslmode"] == "verify-full"
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    (authentication,) = of_kind("TriggerAuthentication", EVERYTHING).values()
    assert trigger["authenticationRef"] == {"name": authentication["metadata"]["name"]}
    assert authentication["spec"] == {
        "secretTargetRef": [{"parameter": "password", "name": "database", "key": "password"}]
    }
    without_tls = EVERYTHING | {"postgres": EVERYTHING["postgres"] | {"tls": False}}
    (trigger,) = of_kind("ScaledObject", without_tls)["worker-mri"]["spec"]["triggers"]
    assert trigger["metadata"]["sslmode"] == "prefer"


def test_prometheus_finds_frontends():
    for name, each in of_kind("Deployment", EVERYTHING).items():
        annotations = each["spec"]["template"]["metadata"]["annotations"]
        expected = {"prometheus.io/scrape": "true", "prometheus.io/port": "5000", "prometheus.io/path": "/metrics"}
        assert annotations == {"a": "b"} | ({} if name else expected)


def test_each_kind_of_pod_is_spread_over_nodes():
    for name, each in of_kind("Deployment", SHARED | {"workers": WORKERS}).items():
        (spread,) = each["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"].items() <= selected(each)
        assert spread["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == component(name)
