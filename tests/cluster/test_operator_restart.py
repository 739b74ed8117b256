"""The operator's death in the middle of a burst: nobody but the operator notices."""

from __future__ import annotations

import pytest

from hack.stage.kubectl import Kubectl, until
from hack.stage.site import OF_OPERATORS
from tests.cluster.conftest import MakePool

# Alone: an Event that another test waits for may be lost with the operator that was to post it.
pytestmark = [pytest.mark.cluster, pytest.mark.alone]


def test_a_killed_operator_loses_no_job_and_restarts_no_pod(
    make_pool: MakePool, redis_url: str, kubectl: Kubectl
) -> None:
    pool = make_pool(concurrency=4, scaling={"maxReplicas": 2, "idleSeconds": 5})
    pool.await_condition("QueueReachable", "True")
    first = pool.produce(redis_url, 40, seconds=1)
    pods = {pod["metadata"]["uid"] for pod in pool.await_pods(ready=2)}
    until(lambda: pool.account().starts, "the first job to start", within=60)

    killed = {pod["metadata"]["uid"] for pod in kubectl.get("pods", OF_OPERATORS)["items"]}
    kubectl("delete", "pod", OF_OPERATORS, "--grace-period=0", "--force")
    second = pool.produce(redis_url, 40, seconds=1)
    jobs = {**first, **second}
    account = pool.await_ended(jobs)

    kubectl("rollout", "status", "deployment/bullpen-operator", "--timeout=60s")
    assert killed.isdisjoint(pod["metadata"]["uid"] for pod in kubectl.get("pods", OF_OPERATORS)["items"])
    assert account.starts == dict.fromkeys(jobs, 1)
    assert account.interrupted == ()
    assert {pod["metadata"]["uid"] for pod in pool.pods()} <= pods
    assert all(status["restartCount"] == 0 for pod in pool.pods() for status in pod["status"]["containerStatuses"])
    pool.await_gone()
