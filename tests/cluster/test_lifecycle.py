"""A pool's life, as a user sees it: apply, jobs, zero, change, delete."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from hack.stage.kubectl import Kubectl, until
from tests.cluster.conftest import MakePool

pytestmark = pytest.mark.cluster


def test_jobs_of_a_node_program_start_pods_and_the_idle_pool_has_none(
    make_pool: MakePool, redis_url: str, kubectl: Kubectl
) -> None:
    pool = make_pool(concurrency=5, scaling={"maxReplicas": 3, "idleSeconds": 5})
    pool.await_condition("QueueReachable", "True")
    assert pool.pods() == []

    jobs = pool.produce(redis_url, 60, seconds=1)
    pool.await_pods(ready=3)
    account = pool.await_ended(jobs)
    pool.await_gone()

    assert account.starts == dict.fromkeys(jobs, 1)
    assert account.interrupted == ()
    assert {"ScaledFromZero", "ScaledToZero"} <= set(pool.events())
    until(lambda: pool.status.get("ready") == "0/0", "the status to show no pod", within=60)
    assert pool.condition("Ready")["status"] == "True"
    header, row = kubectl("get", "wp", pool.name).splitlines()
    assert header.split() == [
        "NAME",
        "QUEUE",
        "READY",
        "DESIRED",
        "WAITING",
        "ACTIVE",
        "OLDEST",
        "REASON",
        "AGE",
    ]
    assert row.split()[:6] == [pool.name, pool.queue, "0/0", "0", "0", "0"]


def test_delayed_jobs_start_a_pod_when_they_are_due(make_pool: MakePool, redis_url: str) -> None:
    pool = make_pool(scaling={"maxReplicas": 1, "idleSeconds": 5})
    pool.await_condition("QueueReachable", "True")

    jobs = pool.produce(redis_url, 3, seconds=0.2, delay=4000)
    account = pool.await_ended(jobs)

    assert all(account.first_start[job] >= added + 4 for job, added in jobs.items())


def test_a_new_concurrency_rolls_out_without_a_lost_or_repeated_job(make_pool: MakePool, redis_url: str) -> None:
    pool = make_pool(concurrency=4, scaling={"maxReplicas": 2, "idleSeconds": 5})
    pool.await_condition("QueueReachable", "True")
    jobs = pool.produce(redis_url, 80, seconds=2)
    before = {pod["metadata"]["uid"] for pod in pool.await_pods(ready=2)}
    until(lambda: pool.account().starts, "the first job to start", within=60)

    pool.patch({"concurrency": 3})
    account = pool.await_ended(jobs)

    # The last job may have ended in a pod of before, which then ends too.
    until(lambda: before.isdisjoint(pod["metadata"]["uid"] for pod in pool.pods()), "the old pods to end", within=60)
    assert account.starts == dict.fromkeys(jobs, 1)
    assert account.interrupted == ()


def test_deleting_the_pool_removes_its_deployment_and_leaves_the_queue(make_pool: MakePool, redis_url: str) -> None:
    pool = make_pool(concurrency=2, scaling={"maxReplicas": 1})
    pool.await_condition("QueueReachable", "True")
    jobs = pool.produce(redis_url, 60, seconds=2)
    pool.await_pods(ready=1)
    until(lambda: pool.account().starts, "the first job to start", within=60)

    pool.delete()
    until(
        lambda: pool.deployment() is None and not pool.pods(),
        "the Deployment and its pods to be gone",
        within=60,
    )

    with redis.Redis.from_url(redis_url) as connection:
        waiting = {job.decode() for job in connection.lrange(f"{pool.prefix}:{pool.queue}:wait", 0, -1)}
        completed = {job.decode() for job in connection.zrange(f"{pool.prefix}:{pool.queue}:completed", 0, -1)}
        active = connection.llen(f"{pool.prefix}:{pool.queue}:active")
    assert active == 0
    assert waiting | completed == set(jobs)
    assert waiting


def test_kubectl_scale_pins_the_size_and_a_null_patch_releases_it(make_pool: MakePool, kubectl: Kubectl) -> None:
    pool = make_pool(scaling={"maxReplicas": 3, "idleSeconds": 2})
    pool.await_condition("QueueReachable", "True")

    kubectl("scale", f"workerpool/{pool.name}", "--replicas=2")
    pool.await_pods(ready=2)
    pool.await_condition("ScalingActive", "False", "Pinned")

    kubectl("patch", "workerpool", pool.name, "--type=merge", '--patch={"spec":{"replicas":null}}')
    pool.await_gone()


def test_a_deployment_that_somebody_changed_or_deleted_is_put_back(make_pool: MakePool, kubectl: Kubectl) -> None:
    pool = make_pool(scaling={"minReplicas": 1, "maxReplicas": 1})
    pool.await_pods(ready=1)

    kubectl("set", "env", f"deployment/{pool.name}", "QUEUE_CONCURRENCY=99", "--containers=worker")
    until(
        lambda: _environment(pool.deployment()).get("QUEUE_CONCURRENCY", "99") != "99",
        "the change to be undone",
        within=60,
    )
    kubectl("delete", "deployment", pool.name)
    pool.await_pods(ready=1)


def _environment(deployment: dict[str, Any] | None) -> dict[str, str]:
    if deployment is None:
        return {}
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "") for variable in containers[0]["env"]}
