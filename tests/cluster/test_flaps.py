"""What `kubectl wait`, Argo CD and alerts see over a pool's busy day: all status writes, with turns counted.

About a minute; `FLAPS_SECONDS=600` repeats the day for ten.
"""

from __future__ import annotations

import os
import time

import pytest

from hack.stage.kubectl import Kubectl, until
from hack.stage.redis import StagedRedis
from tests.cluster.conftest import MakePool
from tests.cluster.pool import Pool
from tests.cluster.watcher import watched

pytestmark = pytest.mark.cluster

SECONDS = float(os.environ.get("FLAPS_SECONDS", "0"))


def test_ready_turns_once_whatever_happens(make_pool: MakePool, kubectl: Kubectl) -> None:
    redis = StagedRedis(kubectl, "redis-flap")
    redis.open()
    by_secret = {"urlFrom": {"secretKeyRef": {"name": "bullpen-redis-flap", "key": "url"}}}
    pool = make_pool(redis=by_secret, concurrency=4, scaling={"maxReplicas": 3, "idleSeconds": 3})
    pool.await_condition("QueueReachable", "True")
    started = time.monotonic()
    days = 0
    with watched(kubectl, pool.name) as seen:
        until(lambda: seen.statuses, "the watch to begin", within=30)
        while not days or time.monotonic() - started < SECONDS:
            day(pool, redis, kubectl, days)
            days += 1
        seconds = time.monotonic() - started

    assert seen.story("Ready") in (["True"], ["False", "True"])
    assert set(seen.story("Stalled")) == {"False"}
    assert seen.story("QueueReachable").count("False") <= 2 * days
    assert seen.story("Reconciling").count("True") <= 3 * days + 1
    # What a day does to numbers and conditions, and at most one refresh a minute besides.
    assert len(seen.statuses) <= 60 * days + seconds / 60 + 10
    print(f"{len(seen.statuses)} status writes in {days} days of {seconds / days:.0f} s")


def day(pool: Pool, redis: StagedRedis, kubectl: Kubectl, number: int) -> None:
    """From zero, a rollout under load, an outage, a pin and its release, back to zero."""
    with redis.reached() as url:
        began = len(pool.account().starts)
        jobs = pool.produce(url, 24, seconds=2)
        until(lambda: len(pool.account().starts) > began, "the first job to start", within=60)
        pool.patch({"env": [{"name": "LEDGER", "value": "ledger:7000"}, {"name": "DAY", "value": str(number)}]})
        pool.await_ended(jobs)
    redis.go_away()
    pool.await_condition("QueueReachable", "False")
    redis.come_back()
    pool.await_condition("QueueReachable", "True")
    kubectl("scale", f"workerpool/{pool.name}", "--replicas=2")
    pool.await_condition("ScalingActive", "False", "Pinned")
    pool.await_pods(ready=2)
    pool.patch({"replicas": None})
    pool.await_condition("ScalingActive", "True")
    pool.await_gone(within=120)
    until(lambda: pool.status.get("ready") == "0/0", "the status to show no pod", within=60)
