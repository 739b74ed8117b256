"""One operator for the pools of every namespace, and what its removal leaves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import yaml

from hack.stage.kubectl import ROOT, Kubectl
from hack.stage.site import Site
from tests.cluster.pool import Pool

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

OPERATORS, POOLS = "bullpen-scope", "bullpen-scope-pools"


@pytest.fixture
def operator() -> Iterator[Kubectl]:
    """A release with scope `cluster`; the namespaces are removed afterwards, and what of it has none."""
    kubectl = Kubectl.connect(OPERATORS)
    Site(kubectl.within(POOLS)).open()
    Site(kubectl).install_operator("scope=cluster", f"redis.secretNamespaces[0]={POOLS}")
    yield kubectl
    uninstall(kubectl)
    for namespace in (OPERATORS, POOLS):
        kubectl("delete", "namespace", namespace, "--wait=false")


def uninstall(kubectl: Kubectl) -> None:
    command = [kubectl.helm, f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={OPERATORS}"]
    subprocess.run([*command, "uninstall", "bullpen", "--wait", "--ignore-not-found"], check=True, capture_output=True)


def test_it_runs_pools_of_other_namespaces_and_its_removal_leaves_them(operator: Kubectl) -> None:
    site = Site(operator.within(POOLS))
    spec = yaml.safe_load((ROOT / "examples/workerpool.yaml").read_text())["spec"]
    pool = Pool(site, "video", queue=spec["queue"], prefix="bull")
    pool.apply({**spec, "scaling": {"maxReplicas": 1}})
    pool.await_condition("QueueReachable", "True")
    with site.redis.reached() as url:
        jobs = pool.produce(url, 5)
        pool.await_ended(jobs)
        pods = {pod["metadata"]["uid"] for pod in pool.pods()}

        uninstall(operator)
        more = pool.produce(url, 5)
        pool.await_ended(more)

    assert pool.replicas == 1
    assert {pod["metadata"]["uid"] for pod in pool.pods()} == pods
    assert operator.run("get", "clusterrole", "bullpen-operator").returncode != 0
