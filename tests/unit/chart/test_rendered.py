"""The chart as Helm renders it: golden files for what is installed, and what no set of values may change."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.stage.kubectl import ROOT, harness

# The first run on a machine may have to build Helm.
pytestmark = pytest.mark.timeout(1800)

CHART = str(ROOT / "charts/bullpen")
GOLDEN = Path(__file__).parent / "golden"
EVERYTHING = """
scope: cluster
replicas: 3
image: {repository: registry.example/bullpen/operator, tag: 1.2.3, pullPolicy: Always}
imagePullSecrets: [{name: registry}]
redis: {secretNames: [bullpen-redis, other-redis], secretNamespaces: [media, mail]}
logging: {level: debug, format: text}
metrics: {service: {enabled: true, port: 9090, annotations: {prometheus.io/scrape: "true"}}}
serviceAccount: {name: sizer, annotations: {a: b}}
podLabels: {team: platform}
podAnnotations: {c: d}
nodeSelector: {kubernetes.io/arch: amd64}
tolerations: [{key: infra, operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: system-cluster-critical
"""
SETS = {"cluster": "scope: cluster", "namespace": "scope: namespace", "everything": EVERYTHING}


@pytest.fixture(scope="session")
def helm() -> str:
    return harness("tool", "helm")


def run(helm: str, *words: str, values: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm, *words, "--values=-"], input=values, capture_output=True, text=True, timeout=60)


def render(helm: str, values: str) -> str:
    """What Helm would install. The Kubernetes version is given, because there is no cluster to ask."""
    done = run(helm, "template", "bullpen", CHART, "--namespace=ops", "--kube-version=1.34.0", values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(helm: str, values: str) -> list[dict[str, Any]]:
    return [item for item in yaml.safe_load_all(render(helm, values)) if item is not None]


@pytest.mark.parametrize("name", SETS)
def test_is_what_the_golden_file_says(helm: str, name: str) -> None:
    """After a wanted change: `helm template bullpen charts/bullpen -n ops --kube-version 1.34.0`, values as above."""
    assert render(helm, SETS[name]) == (GOLDEN / f"{name}.yaml").read_text()


def test_is_clean_to_helms_linter(helm: str) -> None:
    done = run(helm, "lint", "--strict", CHART)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ("scope: everywhere", "scope"),
        ("redis: {secretNames: bullpen-redis}", "secretNames"),
        ("redis: {secretNames: ['*']}", "secretNames"),
        ("replicas: many", "replicas"),
        ("image: {repository: ''}", "repository"),
        ("logging: {level: loud}", "level"),
        ("metrics: {service: {port: 0}}", "port"),
    ],
)
def test_refuses_values_it_does_not_know(helm: str, values: str, word: str) -> None:
    done = run(helm, "template", "bullpen", CHART, "--kube-version=1.34.0", values=values)

    assert done.returncode != 0
    assert "values don't meet the specifications" in done.stderr
    assert word in done.stderr


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_grants_no_wildcard_and_secrets_by_name_only(helm: str, values: str) -> None:
    rules = [rule for item in objects(helm, values) for rule in item.get("rules", [])]

    assert rules
    for rule in rules:
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["get"]
            assert rule["resourceNames"]


def test_reaches_secrets_through_roles_even_with_cluster_scope(helm: str) -> None:
    made = objects(helm, EVERYTHING)

    cluster_wide = [rule for item in made if item["kind"] == "ClusterRole" for rule in item["rules"]]
    assert not any("secrets" in rule["resources"] for rule in cluster_wide)
    roles = [
        item["metadata"]["namespace"]
        for item in made
        if item["kind"] == "Role" and any("secrets" in rule["resources"] for rule in item["rules"])
    ]
    assert roles == ["mail", "media"] or roles == ["media", "mail"]


def test_namespace_scope_touches_nothing_outside(helm: str) -> None:
    made = objects(helm, "scope: namespace")

    assert {item["metadata"].get("namespace") for item in made} == {"ops"}
    assert not any(item["kind"].startswith("Cluster") for item in made)


def test_namespace_scope_refuses_secrets_elsewhere(helm: str) -> None:
    values = "{scope: namespace, redis: {secretNamespaces: [elsewhere]}}"

    assert (
        "redis.secretNamespaces is for scope=cluster"
        in run(helm, "template", "x", CHART, "--kube-version=1.34.0", values=values).stderr
    )


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
    done = run(helm, "template", "r" * 53, CHART, "--kube-version=1.34.0", values=EVERYTHING)

    assert done.returncode == 0, done.stderr
    names = [
        item["metadata"]["name"]
        for item in yaml.safe_load_all(done.stdout)
        if item["kind"] in ("Service", "Deployment")
    ]
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_the_crd_is_installed_with_it(helm: str) -> None:
    words = ("template", "bullpen", CHART, "--kube-version=1.34.0", "--include-crds")

    assert "kind: CustomResourceDefinition" in run(helm, *words).stdout


def test_the_values_file_and_its_schema_name_the_same_values() -> None:

    values = yaml.safe_load((ROOT / "charts/bullpen/values.yaml").read_text())
    schema = json.loads((ROOT / "charts/bullpen/values.schema.json").read_text())

    assert set(schema["properties"]) - set(values) == {"global"}
    for name, section in schema["properties"].items():
        if "properties" in section:
            assert set(section["properties"]) == set(values[name]), name
