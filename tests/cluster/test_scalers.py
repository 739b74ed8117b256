"""An HPA beside the operator: on a pinned pool it works through the operator, on the Deployment in its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hack.stage.kubectl import Kubectl, until
from tests.cluster.conftest import MakePool
from tests.cluster.test_pin import autoscaler

pytestmark = pytest.mark.cluster

DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}


def on_deployment(name: str) -> dict[str, Any]:
    hpa = autoscaler(name)
    hpa["spec"]["scaleTargetRef"] |= DEPLOYMENT
    return hpa


def test_an_hpa_on_a_pinned_pool_has_its_number_made_by_the_operator(make_pool: MakePool, kubectl: Kubectl) -> None:
    pool = make_pool(replicas=1, scaling={"maxReplicas": 3})
    pool.await_pods(ready=1)
    kubectl.apply(json.dumps(autoscaler(pool.name)))

    pool.await_pods(ready=2)
    assert kubectl.get("workerpool", pool.name)["spec"]["replicas"] == 2
    condition = pool.await_condition("ScalingActive", "False", "Pinned")
    assert "2" in condition["message"]
    assert "ForeignScaler" not in pool.events()

    kubectl("delete", "hpa", pool.name)
    pool.patch({"replicas": None})
    pool.await_condition("ScalingActive", "True")


def test_an_hpa_on_the_deployment_has_it_until_it_is_removed(
    make_pool: MakePool, kubectl: Kubectl, redis_url: str
) -> None:
    pool = make_pool(concurrency=1, scaling={"minReplicas": 1, "maxReplicas": 3, "idleSeconds": 5})
    pool.await_pods(ready=1)
    kubectl.apply(json.dumps(on_deployment(pool.name)))

    condition = pool.await_condition("ScalingActive", "False", "ForeignScaler")
    assert f"HorizontalPodAutoscaler/{pool.name}" in condition["message"]
    assert f"HorizontalPodAutoscaler/{pool.name}" in pool.await_event("ForeignScaler")
    pool.await_pods(ready=2)
    jobs = pool.produce(redis_url, 8, seconds=1)  # three pods' worth, and then none's
    account = pool.await_ended(jobs)
    assert account.starts == dict.fromkeys(jobs, 1)
    assert pool.replicas == 2
    assert pool.condition("Ready")["status"] == "True"

    kubectl("delete", "hpa", pool.name)
    pool.await_condition("ScalingActive", "True")
    until(lambda: pool.replicas == 1, "the pool's own number", within=60)
