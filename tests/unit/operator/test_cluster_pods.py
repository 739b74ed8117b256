"""What is kept of a pod, whose it is, and what it says; the same of scalers."""

from __future__ import annotations

from typing import Any

import pytest

from bullpen_operator.cluster.pods import WorkerPod, pool_of, scaled_by, scaler_name, slim_pod, slim_scaler
from bullpen_operator.cluster.port import Kind, Listing, Raw
from bullpen_operator.engine.cache import Cache

COST = "controller.kubernetes.io/pod-deletion-cost"


def raw_pod(name: str = "video-5f-x", *, version: int = 1, **changes: Any) -> Raw:
    metadata: Raw = {
        "name": name,
        "namespace": "media",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "labels": {"bullpen.dev/pool": "video", "pod-template-hash": "5f", "team": "a"},
        "annotations": {"other": "x", COST: "-1000"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "video-5f", "uid": "set", "controller": True}],
        "managedFields": [{}],
    }
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other"}]}
    return {"metadata": metadata | changes, "spec": {"nodeName": "n", "containers": [{}]}, "status": status}


def test_what_a_pod_says_is_the_same_after_most_of_it_was_dropped() -> None:
    pod = raw_pod()
    assert WorkerPod.of(slim_pod(pod)) == WorkerPod.of(pod)
    assert slim_pod(pod)["metadata"]["labels"] == {"bullpen.dev/pool": "video", "pod-template-hash": "5f"}
    assert "containers" not in slim_pod(pod)["spec"]
    assert WorkerPod.of(pod).ready
    assert WorkerPod.of(pod).cost == -1000


@pytest.mark.parametrize(
    "changes",
    [
        {"ownerReferences": []},
        {"ownerReferences": [{"kind": "ReplicaSet", "name": "other-5f", "uid": "s", "controller": True}]},
        {"ownerReferences": [{"kind": "Job", "name": "video-5f", "uid": "s", "controller": True}]},
        {"labels": {"pod-template-hash": "5f"}},
    ],
)
def test_a_pod_that_merely_carries_the_label_is_nobodys(changes: Raw) -> None:
    assert pool_of(raw_pod()) == "video"
    assert pool_of(raw_pod(**changes)) is None


def test_a_pod_being_ended_is_not_active() -> None:
    assert WorkerPod.of(raw_pod()).active
    assert not WorkerPod.of(raw_pod(deletionTimestamp="2026-01-01T00:00:00Z")).active


def test_a_cost_that_is_no_number_is_none() -> None:
    assert WorkerPod.of(raw_pod(annotations={COST: "cheap"})).cost == 0


def test_scalers_of_deployments() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "video"}
    scaler: Raw = {"metadata": {"name": "h", "labels": {}}, "spec": {"scaleTargetRef": target}}
    assert scaled_by(slim_scaler(scaler)) == "video"
    assert scaler_name(scaler) == "HorizontalPodAutoscaler/h"
    scaler["metadata"]["labels"]["scaledobject.keda.sh/name"] = "mine"
    assert scaler_name(slim_scaler(scaler)) == "ScaledObject/mine"
    scaler["spec"]["scaleTargetRef"] = {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "name": "video"}
    assert scaled_by(scaler) is None, "of a pinned pool that is how it is meant to be"


POOL: Raw = {"metadata": {"name": "video", "namespace": "media", "uid": "uid-pool", "resourceVersion": "1"}}


def test_the_cache_finds_the_pods_of_a_pool() -> None:
    cache = Cache(forgotten=lambda _: None)
    cache.put(Kind.POOL, POOL)
    cache.take_dirty("uid-pool")
    cache.put(Kind.POD, raw_pod("a"))
    cache.put(Kind.POD, raw_pod("b"))
    cache.put(Kind.POD, raw_pod("c", namespace="mail"))
    assert sorted(pod.name for pod in cache.pods(POOL)) == ["a", "b"]
    assert not cache.take_dirty("uid-pool"), "a pod is no reason to compare the Deployment"
    cache.put(Kind.POD, raw_pod("a", version=2, ownerReferences=[]))
    assert [pod.name for pod in cache.pods(POOL)] == ["b"]
    cache.replace(Kind.POD, Listing([], "9"), namespace="media")
    assert cache.pods(POOL) == []
    cache.remove(Kind.POD, raw_pod("b", version=10))
    assert cache.size(Kind.POD) == 1
