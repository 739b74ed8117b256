"""One operator for the pools of every namespace: one that is deleted with its pools, and what its removal leaves."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hack.stage.kubectl import ROOT, Kubectl, until
from hack.stage.site import NAMESPACE, OF_OPERATORS, Site
from tests.cluster.pool import Pool
from tests.cluster.test_leadership import apply

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

OPERATORS, POOLS = "bullpen-scope", "bullpen-scope-pools"


@pytest.fixture(scope="module")
def operator() -> Iterator[Kubectl]:
    """A release with scope `cluster`, which the last test removes; afterwards the namespaces go, too."""
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


def video(operator: Kubectl) -> Pool:
    """A pool for up to one pod in the other namespace, at work."""
    spec = yaml.safe_load((ROOT / "examples/workerpool.yaml").read_text())["spec"]
    pool = Pool(Site(operator.within(POOLS)), "video", queue=spec["queue"], prefix="bull")
    pool.apply({**spec, "scaling": {"maxReplicas": 1}})
    pool.await_condition("QueueReachable", "True")
    return pool


def test_a_namespace_that_is_deleted_takes_its_pools_along_and_troubles_nobody(operator: Kubectl) -> None:
    pool, doomed = video(operator), operator.within(f"bullpen-scope-{secrets.token_hex(3)}")
    doomed.apply(NAMESPACE.format(name=doomed.namespace))
    names = [f"pool-{number}" for number in range(10)]
    apply(doomed, *names, scaling={"minReplicas": 2})
    until(lambda: len(doomed.get("pods")["items"]) == 20, "their pods", within=60)
    since = pool.await_condition("Ready", "True")["lastTransitionTime"]

    doomed("delete", "namespace", doomed.namespace, "--timeout=60s")
    with pool.site.redis.reached() as url:
        jobs = pool.produce(url, 3, seconds=0.1)
        assert pool.await_ended(jobs).starts == dict.fromkeys(jobs, 1)

    said = [line for line in log(operator) if line["level"] != "info" and doomed.namespace in str(line)]
    assert len(said) <= 2 * len(names), said  # each a write or two that crossed the deletion
    operators = operator.get("pods", OF_OPERATORS)["items"]
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in operators] == [0, 0]
    assert pool.condition("Ready")["lastTransitionTime"] == since
    assert doomed.namespace not in str(log(operator, "--since=2s"))


def log(operator: Kubectl, *words: str) -> list[dict[str, Any]]:
    """What both operators said."""
    lines = operator("logs", OF_OPERATORS, "--tail=-1", *words)
    return [json.loads(line) for line in lines.splitlines()]


def test_it_runs_pools_of_other_namespaces_and_its_removal_leaves_them(operator: Kubectl) -> None:
    pool = video(operator)
    with pool.site.redis.reached() as url:
        jobs = pool.produce(url, 5)
        pool.await_ended(jobs)
        pods = {pod["metadata"]["uid"] for pod in pool.pods()}

        uninstall(operator)
        more = pool.produce(url, 5)
        pool.await_ended(more)

    assert pool.replicas == 1
    assert {pod["metadata"]["uid"] for pod in pool.pods()} == pods
    assert operator.run("get", "clusterrole", "bullpen-operator").returncode != 0
