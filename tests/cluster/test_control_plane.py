"""The control plane fails and comes back, once with the data of an earlier time; the operators go on by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hack.stage.kubectl import Kubectl, until
from hack.stage.node import Node
from hack.stage.site import OF_OPERATORS, Site
from tests.cluster.conftest import MakePool
from tests.cluster.pool import Pool

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

AWAY_SECONDS = 12.0
"""Longer than a Lease lasts."""
DATA, KEPT = "/var/lib/etcd", "/var/lib/etcd-kept"


@pytest.fixture
def node(kubectl: Kubectl) -> Iterator[Node]:
    """The control plane's node, which afterwards is as good as before: only then the test has ended."""
    node = Node.connect()
    yield node
    node.shell(f"rm -rf {KEPT}; systemctl start kubelet")
    until(lambda: healthy(kubectl), "the cluster to be healthy again", within=120)


def healthy(kubectl: Kubectl) -> bool:
    pods = kubectl.within("kube-system").run("get", "pods", "--output=jsonpath={..containerStatuses[*].ready}")
    return kubectl.run("get", "--raw=/readyz").returncode == 0 and "true" in pods.stdout and "false" not in pods.stdout


def answers(kubectl: Kubectl) -> bool:
    return kubectl.run("get", "--raw=/readyz", "--request-timeout=2s").returncode == 0


def restarts(kubectl: Kubectl) -> dict[str, int]:
    return {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in kubectl.get("pods", OF_OPERATORS)["items"]
    }


def ready_since(pool: Pool) -> tuple[str, str]:
    ready = pool.condition("Ready")
    return ready["status"], ready["lastTransitionTime"]


def test_the_api_server_goes_and_comes_back(make_pool: MakePool, site: Site, kubectl: Kubectl, node: Node) -> None:
    busy = make_pool(concurrency=2, scaling={"minReplicas": 1, "maxReplicas": 2, "idleSeconds": 5})
    idle = make_pool(concurrency=2, scaling={"maxReplicas": 1, "idleSeconds": 5})
    busy.await_pods(ready=1)
    for pool in (busy, idle):
        pool.await_condition("Ready", "True")
    before, ready = restarts(kubectl), [ready_since(pool) for pool in (busy, idle)]

    with site.redis.reached_directly() as redis_url, node.without_kubelet():
        # The controllers too: once their watches have failed for so long, they try again after up to 45 s.
        for name in ("kube-apiserver", "kube-controller-manager"):
            for process in node.kubernetes(name):
                node.kill(process, "KILL")
        gone_at = time.monotonic()
        more = busy.produce(redis_url, 24, seconds=4)  # one pod has 48 s of work
        woken = idle.produce(redis_url, 2, seconds=0.1)
        until(lambda: time.monotonic() - gone_at > AWAY_SECONDS, "a Lease to run out", within=60)
        assert not answers(kubectl)
        node.shell("systemctl start kubelet")
        until(lambda: answers(kubectl), "the API server to come back", within=60)

    until(lambda: busy.replicas == 2, "the pool to grow", within=30)
    assert idle.await_ended(woken, within=60).starts == dict.fromkeys(woken, 1)
    account = busy.await_ended(more)
    assert (account.starts, account.interrupted) == (dict.fromkeys(more, 1), ())
    idle.await_gone()
    after = restarts(kubectl)
    assert after.keys() == before.keys()
    assert sum(after.values()) - sum(before.values()) <= 1  # of two leaders, one ends
    assert [ready_since(pool) for pool in (busy, idle)] == ready


def test_etcd_comes_back_with_the_data_of_an_earlier_time(make_pool: MakePool, kubectl: Kubectl, node: Node) -> None:
    """The versions count from an earlier point again, as after `etcdutl snapshot restore` without `--bump-revision`."""
    changed = make_pool(scaling={"minReplicas": 1, "maxReplicas": 3})
    deleted = make_pool(scaling={"minReplicas": 1, "maxReplicas": 1})
    for pool in (changed, deleted):
        pool.await_pods(ready=1)
        pool.await_condition("Ready", "True")
    before, kept = restarts(kubectl), deployment(changed)
    keep(node)

    changed.patch({"concurrency": 7, "scaling": {"minReplicas": 2}})
    changed.await_pods(ready=2)
    deleted.delete()
    made = make_pool(scaling={"minReplicas": 1, "maxReplicas": 1})
    made.await_pods(ready=1)
    of_lost_time = version(kubectl)
    restore(node)
    restored_at = time.time()
    until(lambda: answers(kubectl), "the API server to come back", within=60)
    assert version(kubectl) < of_lost_time

    changed.patch({"scaling": {"minReplicas": 3}})
    changed.await_pods(ready=3)
    until(lambda: changed.status["ready"] == "3/3", "the status to follow", within=60)
    deleted.await_pods(ready=1)
    until(lambda: made.name not in kubectl("get", "deployments,pods", "--output=name"), "no trace of it", within=60)
    now = deployment(changed)
    assert now["spec"]["template"] == kept["spec"]["template"]
    assert revision(now) == revision(kept)  # a rollout there and back would have counted
    later = [write for write in node.audited(kubectl.namespace) if write.accepted and write.received > restored_at]
    assert [write for write in later if made.name in write.what] == []
    after = restarts(kubectl)
    assert all(after[name] - before[name] <= 1 for name in before)


def keep(node: Node) -> None:
    """The data of etcd as of now, as it is on the disk: what the machine would find after a power failure."""
    (etcd,) = node.kubernetes("etcd")
    node.kill(etcd, "STOP")
    try:
        node.shell(f"rm -rf {KEPT}; cp -a {DATA} {KEPT}")
    finally:
        node.kill(etcd, "CONT")


def restore(node: Node) -> None:
    """All that is Kubernetes' own is ended and starts on the data that were kept.

    Also what only watches: it, too, would go on from versions of the lost time.
    """
    with node.without_kubelet():
        for process in node.kubernetes():
            node.kill(process, "KILL")
        until(lambda: node.kubernetes() == [], "Kubernetes to end", within=10)
        node.shell(f"rm -rf {DATA}; mv {KEPT} {DATA}")


def deployment(pool: Pool) -> dict[str, Any]:
    found = pool.deployment()
    assert found is not None
    return found


def revision(deployment: dict[str, Any]) -> str:
    found: str = deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    return found


def version(kubectl: Kubectl) -> int:
    """How far etcd has counted."""
    listed = json.loads(kubectl("get", "--raw=/api/v1/namespaces/default/configmaps?limit=1"))
    return int(listed["metadata"]["resourceVersion"])
