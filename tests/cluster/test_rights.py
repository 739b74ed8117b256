"""What the operator's account may do once the chart's roles stand, as the API server judges it. No operator runs."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.stage.kubectl import ROOT, Kubectl, until

pytestmark = pytest.mark.cluster

CHART = str(ROOT / "charts/bullpen")
GOLDEN = Path(__file__).parent / "golden"
ACCOUNT = tuple(f"templates/{name}.yaml" for name in ("serviceaccount", "rbac", "secret-access", "lease-access"))


@dataclass(frozen=True)
class House:
    """A release of the chart's account and roles, in a namespace of its own, and a namespace beside it."""

    kubectl: Kubectl
    beside: Kubectl

    @property
    def account(self) -> str:
        return f"system:serviceaccount:{self.kubectl.namespace}:{self.kubectl.namespace}-operator"

    def rendered(self, *settings: str, only: tuple[str, ...]) -> str:
        """Part of the chart, for a release that is called like the namespace: a ClusterRole has a name only."""
        namespace = self.kubectl.namespace
        command = [self.kubectl.helm, "template", namespace, CHART, f"--namespace={namespace}", "--kube-version=1.34.0"]
        command += [f"--set={setting}" for setting in (*settings, "crds.install=false")]
        command += [f"--show-only={part}" for part in only]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def may(self, kubectl: Kubectl) -> str:
        """`kubectl auth can-i --list`, without what every account of every cluster may."""
        lines = kubectl("auth", "can-i", "--list", f"--as={self.account}").splitlines()
        kept = [" ".join(line.split()) for line in lines[1:] if not line.startswith((" ", "selfsubject"))]
        return "".join(f"{line}\n" for line in sorted(kept))


@pytest.fixture
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    name = f"bullpen-rights-{secrets.token_hex(3)}"
    kubectl = Kubectl.connect(name)
    made = House(kubectl, kubectl.within(f"{name}-beside"))
    for namespace in (name, made.beside.namespace):
        kubectl("create", "namespace", namespace)
    yield made
    selector = f"--selector=app.kubernetes.io/instance={name}"
    kinds = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
    kubectl("delete", kinds, selector)
    kubectl("delete", "namespace", name, made.beside.namespace, "--wait=false")


@pytest.mark.parametrize("scope", ["cluster", "namespace"])
def test_the_operators_account_may_do_what_the_golden_file_lists(house: House, scope: str) -> None:
    """`make goldens` writes what the roles say; this is what the API server makes of them."""
    house.kubectl.apply(house.rendered(f"scope={scope}", only=ACCOUNT))

    # The Lease is called as the operators are.
    expected = (GOLDEN / f"can-i.{scope}.txt").read_text().replace("bullpen-operator", house.account.rpartition(":")[2])
    assert house.may(house.kubectl) == expected
    assert house.may(house.beside) == (GOLDEN / f"can-i.{scope}.beside.txt").read_text()


POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "of-a-pool", "labels": {"bullpen.dev/pool": "video"}, "annotations": {"team": "media"}},
    # It never starts, and need not.
    "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "worker", "image": "bullpen/none"}]},
}
PATCHING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "patching"},
    "rules": [{"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": ["get", "patch"]}],
}
OURS = {
    "bullpen.dev/drain": "2026-01-01T00:00:00Z",
    "controller.kubernetes.io/pod-deletion-cost": "-100",
    "karpenter.sh/do-not-disrupt": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}
REFUSED: dict[str, tuple[str, Any, str]] = {
    "another annotation": ("of-a-pool", {"metadata": {"annotations": {"team": "ours"}}}, "its own annotations"),
    "an annotation taken away": ("of-a-pool", {"metadata": {"annotations": {"team": None}}}, "its own annotations"),
    "a new annotation": ("of-a-pool", {"metadata": {"annotations": {"x": "y"}}}, "its own annotations"),
    "a label": ("of-a-pool", {"metadata": {"labels": {"bullpen.dev/pool": "mail"}}}, "and nothing else of it"),
    "the pool's label, and so its pod": (
        "of-a-pool",
        {"metadata": {"labels": {"bullpen.dev/pool": None}}},
        "and nothing else of it",
    ),
    "a finalizer": ("of-a-pool", {"metadata": {"finalizers": ["bullpen.dev/x"]}}, "and nothing else of it"),
    "an image": (
        "of-a-pool",
        {"spec": {"containers": [{"name": "worker", "image": "bullpen/other"}]}},
        "and nothing else of it",
    ),
    "a pod of nobody's pool": ("of-nobody", {"metadata": {"annotations": OURS}}, "pods of pools only"),
}


def patch(kubectl: Kubectl, pod: str, change: Any, *words: str) -> subprocess.CompletedProcess[str]:
    return kubectl.run("patch", "pod", pod, "--type=strategic", f"--patch={json.dumps(change)}", *words)


def test_of_pods_the_operator_may_change_its_own_annotations_only(house: House) -> None:
    kubectl, as_operator = house.kubectl, f"--as={house.account}"
    kubectl.apply(house.rendered("admissionPolicy.enabled=true", only=(*ACCOUNT, "templates/admission-policy.yaml")))
    kubectl.apply(json.dumps(PATCHING))
    kubectl("create", "rolebinding", "patching", "--role=patching", f"--serviceaccount={house.account[22:]}")
    kubectl.apply(json.dumps(POD))
    kubectl.apply(json.dumps({**POD, "metadata": {"name": "of-nobody"}}))
    first = REFUSED["another annotation"][1]
    # A policy works a moment after it was made.
    until(
        lambda: patch(kubectl, "of-a-pool", first, as_operator, "--dry-run=server").returncode != 0,
        "the policy to be in force",
        within=60,
    )

    for what, (pod, change, sentence) in REFUSED.items():
        done = patch(kubectl, pod, change, as_operator)
        assert done.returncode != 0, what
        assert sentence in done.stderr, what
    marked = patch(kubectl, "of-a-pool", {"metadata": {"annotations": OURS}}, as_operator)
    assert marked.returncode == 0, marked.stderr
    taken = patch(kubectl, "of-a-pool", {"metadata": {"annotations": dict.fromkeys(OURS)}}, as_operator)
    assert taken.returncode == 0, taken.stderr
    # Others are none of the policy's business.
    assert patch(kubectl, "of-a-pool", first).returncode == 0
