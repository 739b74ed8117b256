"""Scale-downs under load: no job is cut off, whatever happens in the middle. The long form is benchmarks/drain.py."""

from __future__ import annotations

from typing import Any

import pytest

from hack.stage.kubectl import Kubectl, until
from hack.stage.ledger import Account
from hack.stage.site import OF_OPERATORS
from tests.cluster.conftest import MakePool
from tests.cluster.pool import Pool

pytestmark = pytest.mark.cluster

COST = "controller.kubernetes.io/pod-deletion-cost"
UNREADY = "/tmp/unready"
GRACE = 3
LONG = 12.0
"""Seconds that a job works: a pod ended while it runs one hands it back after GRACE, and the ledger sees no end."""


def staffed(make_pool: MakePool, *, pods: int, **spec: Any) -> Pool:
    """A pool of so many pods, each of which can be made unready."""
    look = {"exec": {"command": ["test", "!", "-e", UNREADY]}, "periodSeconds": 1, "timeoutSeconds": 5}
    worker = {"name": "worker", "readinessProbe": {**look, "failureThreshold": 1}}
    pool = make_pool(replicas=pods, drain={"seconds": GRACE}, template={"spec": {"containers": [worker]}}, **spec)
    pool.await_pods(ready=pods)
    return pool


def loaded(make_pool: MakePool, redis_url: str, *, pods: int) -> tuple[Pool, dict[str, float]]:
    """A pool of so many pods, busy with long jobs and short ones."""
    pool = staffed(make_pool, pods=pods, concurrency=2)
    jobs = {
        **pool.produce(redis_url, 2 * pods, seconds=LONG),
        **pool.produce(redis_url, 10 * pods, seconds=0.5),
    }
    until(lambda: len(pool.account().starts) >= pods, "the first jobs to start", within=60)
    return pool, jobs


def shrunk(pool: Pool, replicas: int) -> None:
    until(lambda: pool.replicas == replicas, f"{replicas} replicas of {pool.name}", within=90)


def assert_whole(account: Account, jobs: dict[str, float]) -> None:
    assert account.interrupted == ()
    assert account.starts == dict.fromkeys(jobs, 1)


def test_a_pool_shrinks_under_load_and_interrupts_nothing(make_pool: MakePool, redis_url: str) -> None:
    pool, jobs = loaded(make_pool, redis_url, pods=4)
    for replicas in (3, 1):
        pool.patch({"replicas": replicas})
        shrunk(pool, replicas)
    assert_whole(pool.await_ended(jobs), jobs)
    assert "claim no more jobs" in pool.await_event("DrainStarted")
    assert "had finished" in pool.await_event("DrainCompleted")


def test_when_the_load_returns_the_pods_go_on(make_pool: MakePool, redis_url: str) -> None:
    pool, jobs = loaded(make_pool, redis_url, pods=3)
    before = {pod["metadata"]["uid"] for pod in pool.pods()}
    pool.patch({"replicas": 1})
    pool.await_event("DrainStarted")
    pool.patch({"replicas": 3})
    pool.await_event("DrainCancelled")
    assert_whole(pool.await_ended(jobs), jobs)
    assert {pod["metadata"]["uid"] for pod in pool.pods()} == before
    until(lambda: not costs(pool), "no deletion cost is left", within=30)


@pytest.mark.alone
def test_an_operator_killed_in_the_middle_of_a_drain(make_pool: MakePool, redis_url: str, kubectl: Kubectl) -> None:
    pool, jobs = loaded(make_pool, redis_url, pods=3)
    pool.patch({"replicas": 1})
    pool.await_event("DrainStarted")
    kubectl("delete", "pod", OF_OPERATORS, "--grace-period=0", "--force")
    shrunk(pool, 1)
    assert_whole(pool.await_ended(jobs), jobs)


def test_a_busy_pod_that_is_not_ready_holds_the_scale_down(
    make_pool: MakePool, redis_url: str, kubectl: Kubectl
) -> None:
    """The controller would end it first, whatever the costs say."""
    pool = staffed(make_pool, pods=3, concurrency=1)
    jobs = pool.produce(redis_url, 3, seconds=3 * LONG)  # of 18, 31 and 45 s
    until(lambda: len(pool.account().starts) == 3, "all to start", within=60)
    (busy,) = (entry.pod for entry in pool.account().interrupted if entry.job == max(jobs, key=int))
    kubectl("exec", busy, "-c", "worker", "--", "touch", UNREADY)
    until(lambda: not readiness(pool)[busy], f"{busy} is not ready", within=30)
    pool.patch({"replicas": 2})
    until(lambda: costs(pool), "another one to have finished", within=60)
    assert busy not in costs(pool)
    assert pool.replicas == 3
    kubectl("exec", busy, "-c", "worker", "--", "rm", UNREADY)
    shrunk(pool, 2)
    assert_whole(pool.await_ended(jobs), jobs)


def costs(pool: Pool) -> dict[str, str]:
    """Deletion costs by pod."""
    found = {pod["metadata"]["name"]: pod["metadata"].get("annotations", {}).get(COST) for pod in pool.pods()}
    return {name: cost for name, cost in found.items() if cost is not None}


def readiness(pool: Pool) -> dict[str, bool]:
    """Whether each pod is ready, by name."""
    return {
        pod["metadata"]["name"]: any(
            each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ())
        )
        for pod in pool.pods()
    }
