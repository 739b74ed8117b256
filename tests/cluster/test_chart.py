"""What a cluster says to the chart and to the pods a pool gets: nothing is installed, all is asked by dry-run."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.stage.kubectl import ROOT, Kubectl

pytestmark = pytest.mark.cluster

# Of this test process and run alone: the namespace of another one may be on its way out.
NAMESPACE = f"bullpen-restricted-{secrets.token_hex(3)}"
CHART = str(ROOT / "charts/bullpen")
VERSION = "--kube-version=1.34.0"
DEPLOYMENTS = ROOT / "tests/unit/operator/golden"


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """A namespace that admits what Pod Security calls restricted, and no more."""
    kubectl = Kubectl.connect(NAMESPACE)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": NAMESPACE, "labels": labels}
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    yield kubectl
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def helm(kubectl: Kubectl, *words: str) -> str:
    command = [kubectl.helm, f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={NAMESPACE}", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pod_of(deployment: dict[str, Any]) -> str:
    """The pod a Deployment would make. Pod Security judges pods; of Deployments it only warns."""
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asked"}, "spec": template["spec"]}
    # The account is of the release, which is not installed here.
    pod["spec"].pop("serviceAccountName", None)
    return json.dumps(pod)


@pytest.mark.parametrize("scope", ["namespace", "cluster"])
def test_the_cluster_takes_the_chart(kubectl: Kubectl, scope: str) -> None:
    rendered = helm(kubectl, "template", "asked", CHART, f"--set=scope={scope}", "--dry-run=server", VERSION)

    kubectl("apply", "--dry-run=server", "-f", "-", stdin=rendered)


def test_the_operators_pod_is_restricted(kubectl: Kubectl) -> None:
    rendered = yaml.safe_load_all(helm(kubectl, "template", "asked", CHART, "--dry-run=server", VERSION))
    operator = next(item for item in rendered if item["kind"] == "Deployment")

    kubectl("create", "--dry-run=server", "-f", "-", stdin=pod_of(operator))


@pytest.mark.parametrize("golden", sorted(DEPLOYMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_workers_pod_is_restricted(kubectl: Kubectl, golden: Path) -> None:
    kubectl("create", "--dry-run=server", "-f", "-", stdin=pod_of(yaml.safe_load(golden.read_text())))


def test_the_restriction_is_real(kubectl: Kubectl) -> None:
    """A pod with root is refused, or the tests above would prove nothing."""
    spec = {"containers": [{"name": "root", "image": "x"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asked"}, "spec": spec}

    done = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))

    assert done.returncode != 0
    assert 'violates PodSecurity "restricted' in done.stderr


@pytest.mark.parametrize("golden", sorted(DEPLOYMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_cluster_takes_a_pools_deployment_by_server_side_apply(kubectl: Kubectl, golden: Path) -> None:
    deployment = yaml.safe_load(golden.read_text())
    deployment["metadata"]["namespace"] = NAMESPACE

    words = ("apply", "--server-side", "--dry-run=server", "--field-manager=bullpen-operator", "-f", "-")
    done = kubectl.run(*words, stdin=json.dumps(deployment))

    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["--set=scope=namespace"], ["this namespace", f"kubectl -n {NAMESPACE} create secret generic bullpen-redis"]),
        (
            ["--set=redis.secretNamespaces={media,mail}"],
            ["every namespace", "kubectl -n media", "bullpen-redis in media, mail"],
        ),
        (["--set=redis.secretNames=null"], ["it may read no Secret; name some with the value redis.secretNames"]),
    ],
    ids=["namespace", "cluster", "no Secret"],
)
def test_the_notes_tell_what_to_do_next(kubectl: Kubectl, settings: list[str], words: list[str]) -> None:
    notes = helm(kubectl, "install", "asked", CHART, "--dry-run=server", *settings).split("NOTES:")[1]

    for word in [*words, "examples/workerpool.yaml", "Removing the release leaves the CRD, all pools"]:
        assert word in notes
