"""The chart as Helm renders it: golden files for what is installed, and what no set of values may change."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bullpen_operator.api.crd import crd
from bullpen_operator.cluster.pods import BUSY_MARKS, COST
from hack.rendered import VALUES, goldens, kustomize
from hack.stage.kubectl import ROOT

# The first run on a machine may have to build Helm.
pytestmark = pytest.mark.timeout(1800)

CHART = str(ROOT / "charts/bullpen")
EVERYTHING = VALUES["everything"].read_text()
MONITORED = """
metrics:
  service: {enabled: true}
  serviceMonitor: {enabled: true}
  podMonitor: {enabled: true}
  workerPodMonitor: {enabled: true}
  prometheusRule: {enabled: true}
  dashboard: {enabled: true}
"""


def run(helm: str, *words: str, values: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm, *words, "--values=-"], input=values, capture_output=True, text=True, timeout=60)


def template(helm: str, values: str, *, release: str = "bullpen") -> subprocess.CompletedProcess[str]:
    """What Helm would install. The Kubernetes version is given, because there is no cluster to ask."""
    return run(helm, "template", release, CHART, "--namespace=ops", "--kube-version=1.34.0", values=values)


def objects(helm: str, values: str, *, release: str = "bullpen") -> list[dict[str, Any]]:
    done = template(helm, values, release=release)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item is not None]


def of_kind(made: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in made if item["kind"] == kind]


def test_the_golden_files_are_what_the_chart_renders(helm: str) -> None:
    """`make goldens` writes them, after a wanted change."""
    differing = [
        str(path.relative_to(ROOT))
        for path, text in (goldens(helm) | kustomize(helm)).items()
        if not path.exists() or path.read_text() != text
    ]

    assert differing == []


@pytest.mark.parametrize("values", [*VALUES, "defaults", "monitored"])
def test_is_clean_to_helms_linter(helm: str, values: str) -> None:
    given = {"defaults": "", "monitored": MONITORED}
    text = given[values] if values in given else VALUES[values].read_text()

    done = run(helm, "lint", "--strict", CHART, values=text)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ("scope: everywhere", "scope"),
        ("crds: {install: maybe}", "install"),
        ("redis: {secretNames: bullpen-redis}", "secretNames"),
        ("redis: {secretNames: ['*']}", "secretNames"),
        ("replicaCount: 2", "replicaCount"),
        ("replicas: many", "replicas"),
        ("image: {repository: ''}", "repository"),
        ("logging: {level: loud}", "level"),
        ("metrics: {service: {port: 0}}", "port"),
        ("metrics: {podMonitor: {interval: often}}", "interval"),
        ("metrics: {serviceMonitor: {honorLabels: true}}", "honorLabels"),
        ("metrics: {prometheusRule: {disabled: [all]}}", "disabled"),
        ("metrics: {dashboard: {labels: {a: 1}}}", "labels"),
        ("networkPolicy: {redis: {ports: [redis]}}", "ports"),
        ("networkPolicy: {apiServer: {ports: []}}", "ports"),
        ("networkPolicy: {metricsFrom: [monitoring]}", "metricsFrom"),
        ("networkPolicy: {workers: {namespaces: [A]}}", "namespaces"),
        ("admissionPolicy: {enabled: 'yes'}", "enabled"),
    ],
)
def test_refuses_values_it_does_not_know(helm: str, values: str, word: str) -> None:
    done = template(helm, values)

    assert done.returncode != 0
    assert "values don't meet the specifications" in done.stderr
    assert word in done.stderr


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            "{scope: namespace, redis: {secretNamespaces: [elsewhere]}}",
            "redis.secretNamespaces is for scope=cluster",
        ),
        (
            "{scope: namespace, networkPolicy: {workers: {enabled: true, namespaces: [elsewhere]}}}",
            "networkPolicy.workers.namespaces is for scope=cluster",
        ),
        ("{scope: namespace, admissionPolicy: {enabled: true}}", "admissionPolicy.enabled is for scope=cluster"),
        (
            "metrics: {serviceMonitor: {enabled: true}}",
            "metrics.serviceMonitor.enabled needs metrics.service.enabled: set both",
        ),
        (
            "metrics: {prometheusRule: {enabled: true, disabled: [BullpenNoSuch]}}",
            "BullpenNoSuch, which is no alert of this chart: use BullpenOperatorAbsent,",
        ),
    ],
    ids=["secrets elsewhere", "workers elsewhere", "a policy of the cluster", "no Service", "no such alert"],
)
def test_refuses_values_that_do_not_fit_together(helm: str, values: str, sentence: str) -> None:
    assert sentence in template(helm, values).stderr


@pytest.mark.parametrize("name", VALUES)
def test_grants_no_wildcard_and_secrets_by_name_only(helm: str, name: str) -> None:
    rules = [rule for item in objects(helm, VALUES[name].read_text()) for rule in item.get("rules", [])]

    assert rules
    for rule in rules:
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["get"]
            assert rule["resourceNames"]


def test_reaches_secrets_through_roles_even_with_cluster_scope(helm: str) -> None:
    made = objects(helm, EVERYTHING)

    cluster_wide = [rule for item in of_kind(made, "ClusterRole") for rule in item["rules"]]
    assert not any("secrets" in rule["resources"] for rule in cluster_wide)
    by_name = [
        item["metadata"]["namespace"]
        for item in of_kind(made, "Role")
        if any("secrets" in rule["resources"] for rule in item["rules"])
    ]
    assert sorted(by_name) == ["mail", "media"]


@pytest.mark.parametrize("values", ["{}", MONITORED], ids=["plain", "monitored"])
def test_namespace_scope_touches_nothing_outside_but_the_crd(helm: str, values: str) -> None:
    made = objects(helm, yaml.safe_dump({**yaml.safe_load(values), "scope": "namespace"}))

    outside = {item["kind"] for item in made if item["metadata"].get("namespace") != "ops"}
    assert outside == {"CustomResourceDefinition"}


def test_without_secret_names_no_secret_is_granted(helm: str) -> None:
    """An empty resourceNames would grant all of them."""
    made = objects(helm, "redis: {secretNames: []}")

    assert not any("secrets" in rule["resources"] for item in made for rule in item.get("rules", []))


def test_the_lease_is_granted_by_name_where_the_operators_are(helm: str) -> None:
    for scope in ("cluster", "namespace"):
        made = objects(helm, f"scope: {scope}")
        ((role, rule),) = [
            (item, rule) for item in made for rule in item.get("rules", []) if "leases" in rule["resources"]
        ]
        assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "ops")
        assert (rule["resourceNames"], rule["verbs"]) == (["bullpen-operator"], ["create", "get", "update", "watch"])


def test_one_operator_has_no_budget_that_would_hold_up_a_drain(helm: str) -> None:
    assert not any(item["kind"] == "PodDisruptionBudget" for item in objects(helm, "replicas: 1"))
    (budget,) = [item for item in objects(helm, "replicas: 2") if item["kind"] == "PodDisruptionBudget"]
    assert budget["spec"]["maxUnavailable"] == 1


def test_the_longest_release_name_makes_no_name_longer_than_a_label(helm: str) -> None:
    made = objects(helm, EVERYTHING, release="r" * 53)

    assert max(len(item["metadata"]["name"]) for item in made) <= 63 + len("-redis")
    named = [item["metadata"]["name"] for item in made if item["kind"] in ("Service", "Deployment", "NetworkPolicy")]
    assert len(named) == 5
    assert all(len(name) <= 63 for name in named)


def test_the_crd_is_a_template_so_that_helm_upgrades_it_and_is_kept_when_the_release_goes(helm: str) -> None:
    (made,) = of_kind(objects(helm, ""), "CustomResourceDefinition")

    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert made["metadata"]["name"] == "workerpools.bullpen.dev"
    assert made["spec"] == crd()["spec"]


def test_without_crds_install_there_is_no_crd(helm: str) -> None:
    assert of_kind(objects(helm, "crds: {install: false}"), "CustomResourceDefinition") == []
    assert not list((ROOT / "charts/bullpen").glob("crds/*")), (
        "Helm would install what lies there, and never upgrade it"
    )


def test_every_series_keeps_the_namespace_of_the_pool_it_is_about(helm: str) -> None:
    """Without honorLabels Prometheus renames it to exported_namespace, and no alert finds its pool."""
    made = objects(helm, MONITORED)

    (service,) = of_kind(made, "ServiceMonitor")
    operator, workers = of_kind(made, "PodMonitor")
    assert service["spec"]["endpoints"][0]["honorLabels"] is True
    assert operator["spec"]["podMetricsEndpoints"][0]["honorLabels"] is True
    assert workers["spec"]["podMetricsEndpoints"][0]["relabelings"][0]["targetLabel"] == "pool"
    assert workers["spec"]["namespaceSelector"] == {"any": True}


def test_the_alerts_and_the_dashboard_are_those_of_the_files(helm: str) -> None:
    made = objects(helm, MONITORED)

    (rule,), (dashboard,) = of_kind(made, "PrometheusRule"), of_kind(made, "ConfigMap")
    alerts = yaml.safe_load((ROOT / "charts/bullpen/files/alerts.yaml").read_text())
    for group in rule["spec"]["groups"]:
        for alert in group["rules"]:
            where = alert["annotations"].pop("runbook_url")
            assert where == f"docs/runbooks.md#{alert['alert'].lower()}"
    assert rule["spec"] == alerts
    assert dashboard["data"]["bullpen.json"] == (ROOT / "charts/bullpen/files/dashboard.json").read_text()
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_a_network_policy_names_the_pods_it_is_for(helm: str) -> None:
    made = objects(helm, VALUES["guarded"].read_text())

    operator, workers = of_kind(made, "NetworkPolicy")
    (deployment,) = of_kind(made, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert operator["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    open_ports = {port["port"] for rule in operator["spec"]["egress"] for port in rule["ports"]}
    assert open_ports == {53, 443, 6443, 6379}
    assert workers["spec"]["podSelector"] == {"matchExpressions": [{"key": "bullpen.dev/pool", "operator": "Exists"}]}
    assert workers["spec"]["policyTypes"] == ["Ingress"]


def test_the_admission_policy_knows_every_annotation_that_the_operator_sets_on_pods(helm: str) -> None:
    (policy,) = of_kind(objects(helm, EVERYTHING), "ValidatingAdmissionPolicy")

    ours = next(each["expression"] for each in policy["spec"]["variables"] if each["name"] == "ours")
    assert set(re.findall(r"'([^']+)'", ours)) == {COST, *BUSY_MARKS}


def named_values(values: Any, path: str = "") -> set[str]:
    """The paths of a values file; what may hold anything (labels, resources …) ends one."""
    if not isinstance(values, dict) or path.endswith(("labels", ".resources")):
        return {path}
    return {path} | {name for key, value in values.items() for name in named_values(value, f"{path}.{key}")}


def schema_values(schema: dict[str, Any], whole: dict[str, Any], path: str = "") -> set[str]:
    if "$ref" in schema:
        schema = whole["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    inner = schema.get("properties", {}).items()
    return {path} | {name for key, value in inner for name in schema_values(value, whole, f"{path}.{key}")}


def test_the_values_file_and_its_schema_name_the_same_values() -> None:
    values = yaml.safe_load((ROOT / "charts/bullpen/values.yaml").read_text())
    schema = json.loads((ROOT / "charts/bullpen/values.schema.json").read_text())

    assert schema_values(schema, schema) - {".global"} == {
        name for name in named_values(values) if not name.startswith(".resources.")
    }


def test_a_chart_file_that_is_not_there_is_no_empty_object() -> None:
    """Files.Get answers with nothing for a wrong name, and Helm would install that."""
    templates = Path(CHART, "templates").glob("*.yaml")
    asked = {
        word.split('"')[1] for path in templates for word in path.read_text().split("Files.Get ")[1:] if '"' in word
    }
    assert asked == {"files/alerts.yaml", "files/dashboard.json", "files/bullpen.dev_workerpools.yaml"}
    assert all(Path(CHART, name).stat().st_size for name in asked)
