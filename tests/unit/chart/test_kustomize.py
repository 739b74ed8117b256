"""What kubectl makes of `kustomize/`: the chart's objects, without Helm."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bullpen_operator.api.crd import crd
from hack.stage.kubectl import ROOT

pytestmark = pytest.mark.timeout(1800)  # the first run on a machine may have to build kubectl


def built(kubectl: str, place: str | Path) -> dict[tuple[str, str], dict[str, Any]]:
    words = [kubectl, "kustomize", str(ROOT / "kustomize" / place)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(done.stdout)}


def test_the_base_is_the_operator_and_its_crd(kubectl: str) -> None:
    made = built(kubectl, "base")

    assert made["CustomResourceDefinition", "workerpools.bullpen.dev"]["spec"] == crd()["spec"]
    assert {("Deployment", "bullpen-operator"), ("ClusterRole", "bullpen-operator")} <= made.keys()
    text = yaml.safe_dump_all(made.values())
    assert "helm" not in text.lower()


def test_the_namespaced_one_stays_in_its_namespace(kubectl: str) -> None:
    made = built(kubectl, "namespaced")

    assert {item["metadata"].get("namespace") for item in made.values()} == {"bullpen"}
    (container,) = made["Deployment", "bullpen-operator"]["spec"]["template"]["spec"]["containers"]
    watched = next(variable for variable in container["env"] if variable["name"] == "WATCH_NAMESPACE")
    assert watched["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}


def test_an_overlay_moves_all_of_it_and_changes_what_it_names(kubectl: str) -> None:
    made = built(kubectl, "example")

    assert {item["metadata"].get("namespace") for item in made.values()} == {"jobs", None}
    (container,) = made["Deployment", "bullpen-operator"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/bullpen/operator:1.2"
    assert container["resources"]["limits"]["memory"] == "512Mi"
    assert made["Role", "bullpen-operator-redis"]["rules"][0]["resourceNames"] == ["video-redis", "mail-redis"]
    bindings = [item for (kind, _), item in made.items() if kind.endswith("RoleBinding")]
    assert bindings
    assert {subject["namespace"] for binding in bindings for subject in binding["subjects"]} == {"jobs"}
