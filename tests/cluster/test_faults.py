"""What can go wrong with a pool's Deployment, pods and queue: a condition and an Event say so, and it heals.

Trouble with Redis and its Secret is in test_trouble.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import Any

import pytest
import redis
import yaml

from hack.stage.kubectl import ROOT, Kubectl, until
from hack.stage.site import Site
from tests.cluster.conftest import MakePool
from tests.cluster.pool import Pool

pytestmark = pytest.mark.cluster

ONE = {"minReplicas": 1, "maxReplicas": 2, "idleSeconds": 5}
WIDGET = "example.com/widget"


def test_a_template_that_the_api_server_refuses_is_said_and_the_running_deployment_stays(make_pool: MakePool) -> None:
    pool = make_pool(scaling=ONE)
    pods = {pod["metadata"]["uid"] for pod in pool.await_pods(ready=1)}

    pool.patch({"template": {"spec": {"containers": [{"name": "worker", "volumeMounts": [mount("absent")]}]}}})
    condition = pool.await_condition("Stalled", "True", "TemplateRejected")
    event = pool.await_event("TemplateRejected")

    assert "absent" in condition["message"]
    assert "absent" in event
    assert pool.condition("Ready")["status"] == "False"
    assert {pod["metadata"]["uid"] for pod in pool.pods()} == pods

    pool.patch({"template": None})
    pool.await_condition("Ready", "True")
    assert {pod["metadata"]["uid"] for pod in pool.pods()} == pods


def mount(volume: str) -> dict[str, str]:
    return {"name": volume, "mountPath": "/data"}


@pytest.fixture
def widget_quota(kubectl: Kubectl) -> None:
    """No pod of the namespace may ask for a widget; what asks for none is left alone."""
    spec = {"hard": {f"requests.{WIDGET}": "0"}}
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": spec}))
    until(lambda: kubectl.get("resourcequota", "none").get("status"), "the quota to hold", within=30)


@pytest.mark.usefixtures("widget_quota")
def test_a_quota_that_leaves_no_room_is_said_and_room_ends_it(make_pool: MakePool) -> None:
    resources = {"requests": {"cpu": "50m", WIDGET: "1"}, "limits": {"memory": "256Mi", WIDGET: "1"}}
    pool = make_pool(scaling=ONE, resources=resources)

    condition = pool.await_condition("ScalingLimited", "True", "Quota")
    pool.await_condition("WorkersAvailable", "False", "Quota")
    assert "exceeded quota: none" in condition["message"]
    assert "exceeded quota: none" in pool.await_event("Quota")
    assert pool.condition("Stalled")["status"] == "False"

    pool.patch({"resources": {"requests": {WIDGET: None}, "limits": {WIDGET: None}}})
    pool.await_pods(ready=1)
    pool.await_condition("WorkersAvailable", "True")
    pool.await_condition("Ready", "True")


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        ({"image": "bullpen/absent:dev"}, "ImagePull", "the image bullpen/absent:dev of the container worker"),
        ({"app": "app:absent"}, "CrashLoop", "the container worker ends soon after its start"),
        ({"resources": {"requests": {"cpu": "4000"}}}, "Unschedulable", "nodes are available"),
        (
            {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "key"}}}]},
            "ContainerConfig",
            'secret "absent" not found',
        ),
    ],
    ids=["image", "crash", "node", "config"],
)
def test_pods_that_cannot_run_are_told(make_pool: MakePool, fault: dict[str, object], reason: str, words: str) -> None:
    pool = make_pool(scaling=ONE, **fault)

    condition = pool.await_condition("WorkersAvailable", "False", reason)
    assert words in condition["message"]
    assert words in pool.await_event(reason)
    assert pool.condition("Ready")["status"] == "False"

    good = yaml.safe_load((ROOT / "examples/workerpool.yaml").read_text())["spec"]
    pool.apply({**good, "prefix": pool.prefix, "scaling": ONE})
    pool.await_pods(ready=1)
    pool.await_condition("WorkersAvailable", "True")
    pool.await_condition("Ready", "True")
    pool.await_event("WorkersRecovered")


def test_the_pods_of_a_running_pool_that_begin_to_fail_are_said_and_ready_stays(make_pool: MakePool) -> None:
    """Ready tells whether the spec was rolled out; an app that dies later is WorkersAvailable's matter."""
    pool = make_pool(scaling={**ONE, "minReplicas": 2}, concurrency=1)
    pool.await_pods(ready=2)
    pool.await_condition("Ready", "True")

    pool.patch({"image": "bullpen/absent:dev"})
    pool.await_condition("WorkersAvailable", "False", "ImagePull")

    assert pool.condition("Ready")["status"] == "True"
    assert pool.condition("Reconciling")["status"] == "True"
    assert pool.status["readyReplicas"] == 2


def test_two_pools_on_one_queue_are_told_of_each_other_until_one_is_gone(make_pool: MakePool) -> None:
    first = make_pool(scaling={"maxReplicas": 1})
    second = make_pool(scaling={"maxReplicas": 1}, prefix=first.prefix)

    for pool, other in ((first, second), (second, first)):
        condition = pool.await_condition("QueueShared", "True")
        assert f"/{other.name}" in condition["message"]
        pool.await_event("QueueShared")
        pool.await_condition("Ready", "True")

    second.delete()
    first.await_condition("QueueShared", "False")


def test_a_pool_whose_queue_is_renamed_ends_its_jobs_and_serves_the_other(make_pool: MakePool, redis_url: str) -> None:
    """By its prefix, because the example's app serves one name."""
    pool = make_pool(concurrency=2, scaling={"maxReplicas": 1, "idleSeconds": 5})
    pool.await_condition("QueueReachable", "True")
    jobs = pool.produce(redis_url, 12, seconds=3)
    until(lambda: pool.account().starts, "the first job to start", within=60)

    other = Pool(pool.site, pool.name, queue=pool.queue, prefix=f"{pool.prefix}-other")
    pool.patch({"prefix": other.prefix})
    more = other.produce(redis_url, 4, seconds=0.1)
    account = other.await_ended(more)
    assert account.starts == dict.fromkeys(more, 1)
    with redis.Redis.from_url(redis_url) as connection:
        key = f"{pool.prefix}:{pool.queue}"
        until(lambda: connection.llen(f"{key}:active") == 0, "the old pods to finish their jobs", within=60)

    pool.patch({"prefix": pool.prefix})
    account = pool.await_ended(jobs)
    assert account.starts == dict.fromkeys(jobs, 1)
    assert account.interrupted == ()


def test_a_budget_guards_the_second_pod_and_goes_when_it_is_disabled(make_pool: MakePool, kubectl: Kubectl) -> None:
    pool = make_pool(scaling=ONE)
    pool.await_pods(ready=1)
    assert budgets(kubectl, pool) == []

    pool.patch({"replicas": 2})
    pool.await_pods(ready=2)
    until(lambda: guarded(kubectl, pool) == 2, "a budget that counts both pods", within=60)
    kubectl("patch", "pdb", pool.name, "--type=merge", '--patch={"spec": {"maxUnavailable": 2}}')
    until(lambda: budgets(kubectl, pool)[0]["spec"]["maxUnavailable"] == "10%", "it to be put back", within=60)

    pool.patch({"podDisruptionBudget": {"enabled": False}})
    until(lambda: budgets(kubectl, pool) == [], "the budget to go", within=60)


def budgets(kubectl: Kubectl, pool: Pool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kubectl.get("pdb", f"--field-selector=metadata.name={pool.name}")["items"]
    return found


def guarded(kubectl: Kubectl, pool: Pool) -> int:
    """The pods that the pool's budget counts, as its controller says; 0 without one."""
    return sum(budget.get("status", {}).get("expectedPods", 0) for budget in budgets(kubectl, pool))


def test_a_crd_that_is_upgraded_leaves_the_running_operator_at_work(make_pool: MakePool, kubectl: Kubectl) -> None:
    """The API server ends all watches of a kind whose definition changes."""
    pool = make_pool(scaling=ONE)
    pool.await_condition("Ready", "True")
    kind = next(iter(yaml.safe_load_all((ROOT / "crds/bullpen.dev_workerpools.yaml").read_text())))
    properties = kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["ofAnotherRelease"] = {"type": "string", "description": secrets.token_hex(4)}

    kubectl.apply(json.dumps(kind))
    try:
        until(lambda: "ofAnotherRelease" in kubectl("get", "crd", kind["metadata"]["name"], "-ojson"), "it", within=30)
        pool.patch({"ofAnotherRelease": "unknown to this operator", "scaling": {"minReplicas": 2}})
        pool.await_pods(ready=2)
        until(lambda: pool.status["ready"] == "2/2", "the status to follow", within=60)
    finally:
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))


def test_many_pools_that_come_and_go_leave_nothing_and_disturb_nobody(
    make_pool: MakePool, site: Site, kubectl: Kubectl, redis_url: str
) -> None:
    """`FAULTS_POOLS=300` for the long form."""
    count = int(os.environ.get("FAULTS_POOLS", "30"))
    steady = make_pool(scaling=ONE)
    steady.await_pods(ready=1)
    spec = yaml.safe_load((ROOT / "examples/workerpool.yaml").read_text())["spec"]
    label = f"many-{secrets.token_hex(3)}"
    pools = [
        {
            "apiVersion": "bullpen.dev/v1alpha1",
            "kind": "WorkerPool",
            "metadata": {"name": f"{label}-{number}", "labels": {"test": label}},
            "spec": {**spec, "prefix": f"{label}-{number}", "scaling": {"maxReplicas": 1}},
        }
        for number in range(count)
    ]
    selector = f"--selector=test={label}"

    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pools}))
    until(lambda: told(kubectl, selector) == count, f"a status of {count} pools", within=120, every=2)
    kubectl("delete", "workerpools", selector, "--wait=false")
    jobs = steady.produce(redis_url, 3, seconds=0.1)
    steady.await_ended(jobs, within=60)

    until(
        lambda: label not in kubectl("get", "deployments", "--output=name"),
        "their Deployments to go",
        within=120,
        every=2,
    )
    assert steady.condition("Ready")["status"] == "True"
    assert len(steady.pods()) == 1


def told(kubectl: Kubectl, selector: str) -> int:
    pools = kubectl.get("workerpools", selector)["items"]
    return sum("conditions" in pool.get("status", {}) for pool in pools)
