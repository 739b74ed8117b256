"""The chart's life: the CRD goes up and down with the release, pools stand still meanwhile, and removal leaves them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.stage.kubectl import ROOT, Kubectl, until
from hack.stage.site import OF_OPERATORS

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.timeout(600)]

NAMESPACE = "bullpen-lifecycle"
CRD = "workerpools.bullpen.dev"
OWNED = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace", "helm.sh/resource-policy")


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    """A namespace; afterwards the release is gone and the CRD is nobody's, with the schema it had before."""
    kubectl = Kubectl.connect(NAMESPACE)
    if kubectl.run("get", "crd", CRD).returncode != 0:
        kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    kubectl("create", "namespace", NAMESPACE)
    yield kubectl
    helm(kubectl, "uninstall", "bullpen", "--ignore-not-found")
    kubectl("annotate", "crd", CRD, *(f"{name}-" for name in OWNED))
    kubectl("label", "crd", CRD, "app.kubernetes.io/managed-by-")
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def helm(kubectl: Kubectl, *words: str) -> str:
    command = [kubectl.helm, f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={NAMESPACE}", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def chart(kubectl: Kubectl, place: Path, *, version: str, says: str) -> str:
    """A copy of the chart with another version, and with the cluster's CRD, of which one description says so."""
    shutil.copytree(ROOT / "charts/bullpen", place)
    about = yaml.safe_load((place / "Chart.yaml").read_text())
    (place / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": version}))
    live = kubectl.get("crd", CRD)
    live = {key: live[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": CRD}}
    live["spec"].pop("conversion", None)
    live["spec"]["versions"][0]["additionalPrinterColumns"][0]["description"] = says
    (place / "files/bullpen.dev_workerpools.yaml").write_text(yaml.safe_dump(live, allow_unicode=True))
    return str(place)


def told(kubectl: Kubectl) -> str:
    columns = kubectl.get("crd", CRD)["spec"]["versions"][0]["additionalPrinterColumns"]
    return str(columns[0]["description"])


def pool(kubectl: Kubectl) -> dict[str, Any]:
    return {name: kubectl.get(name, "video")["metadata"]["uid"] for name in ("workerpool", "deployment")}


SETTINGS = ("--set=scope=namespace", "--set=image.tag=dev", "--wait", "--timeout=180s")


def test_an_upgrade_brings_the_crd_a_rollback_takes_it_back_and_removal_leaves_it(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    before = told(kubectl)
    first = chart(kubectl, tmp_path / "first", version="0.1.1", says=before)
    second = chart(kubectl, tmp_path / "second", version="0.1.2", says="The queue, as the second version says.")
    notes = helm(kubectl, "install", "bullpen", first, *SETTINGS)
    assert f"The CRD {CRD} belongs to kubectl, so this release leaves it as it is" in notes
    # What the notes advise.
    kubectl("label", "crd", CRD, "app.kubernetes.io/managed-by=Helm", "--overwrite")
    owner = (f"{OWNED[0]}=bullpen", f"{OWNED[1]}={NAMESPACE}")
    kubectl("annotate", "crd", CRD, *owner, "--overwrite")
    notes = helm(kubectl, "upgrade", "bullpen", first, *SETTINGS)
    assert f"The CRD {CRD} is upgraded with this release" in notes
    spec = yaml.safe_load((ROOT / "examples/workerpool.yaml").read_text())["spec"]
    manifest = {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "metadata": {"name": "video"}, "spec": spec}
    kubectl.apply(yaml.safe_dump(manifest))
    until(lambda: kubectl.run("get", "deployment", "video").returncode == 0, "the pool's Deployment", within=60)
    made = pool(kubectl)

    helm(kubectl, "upgrade", "bullpen", second, *SETTINGS)
    assert told(kubectl) == "The queue, as the second version says."
    helm(kubectl, "rollback", "bullpen", "2", "--wait", "--timeout=180s")
    assert told(kubectl) == before
    assert pool(kubectl) == made
    said = helm(kubectl, "uninstall", "bullpen")

    assert f"[CustomResourceDefinition] {CRD}" in said
    assert "kept due to the resource policy" in said
    assert pool(kubectl) == made
    assert kubectl.get("deployments", OF_OPERATORS)["items"] == []
