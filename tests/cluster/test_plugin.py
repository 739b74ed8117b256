"""`kubectl bullpen` on a real pool, run by kubectl as its plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from hack.stage.kubectl import Kubectl, until
from tests.cluster.conftest import MakePool
from tests.cluster.pool import Pool

pytestmark = pytest.mark.cluster


def plugin(kubectl: Kubectl, *words: str) -> subprocess.CompletedProcess[str]:
    """`kubectl bullpen …`; kubectl finds the program on the PATH and hands it no option of its own."""
    place = (f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={kubectl.namespace}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [kubectl.kubectl, "bullpen", *words, *place],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def said(kubectl: Kubectl, *words: str) -> str:
    done = plugin(kubectl, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def decided(kubectl: Kubectl, name: str) -> int:
    """Pods of the last decision."""
    decision: dict[str, int] = json.loads(said(kubectl, "explain", name, "--json"))["decision"]
    return decision["to"]


def draining(pool: Pool, redis_url: str) -> set[str]:
    """Pods whose worker says that it claims no more jobs."""
    with redis.Redis.from_url(redis_url) as connection:
        beats = connection.hvals(f"{pool.prefix}:{pool.queue}:bullpen:workers")
    return {beat["pod"] for beat in map(json.loads, beats) if beat["draining"]}


def test_a_pool_is_held_explained_pinned_and_released(make_pool: MakePool, redis_url: str, kubectl: Kubectl) -> None:
    pool = make_pool(concurrency=5, scaling={"maxReplicas": 2, "idleSeconds": 5})
    pool.await_condition("QueueReachable", "True")

    said(kubectl, "pause", pool.name)
    jobs = pool.produce(redis_url, 5, seconds=1)
    pool.await_condition("ScalingActive", "False", "Paused")
    until(lambda: "Limited by Paused" in said(kubectl, "status", pool.name), "the pause in words", within=60)
    assert pool.pods() == []

    said(kubectl, "resume", pool.name)
    until(lambda: pool.pods(), "the first pod", within=60)
    until(lambda: decided(kubectl, pool.name) > 0, "the decision on the status", within=60)
    arithmetic = said(kubectl, "explain", pool.name)
    assert "A + L = " in arithmetic
    assert "n  = min(max(n₁, n₂), work)" in arithmetic
    pool.await_ended(jobs)

    refused = plugin(kubectl, "pin", pool.name, "3")
    assert refused.returncode == 1
    assert "replicas is above scaling.maxReplicas" in refused.stderr
    said(kubectl, "pin", pool.name, "2")
    pods = pool.await_pods(ready=2)
    ready = f"{kubectl.namespace}/{pool.name}: 2 of 2 pods ready"
    until(lambda: ready in said(kubectl, "status", pool.name), "the status to follow", within=60)
    assert f"{kubectl.namespace}/{pool.name}" in said(kubectl, "top", "--once")

    pod = pods[0]["metadata"]["name"]
    said(kubectl, "drain", pod)
    until(lambda: draining(pool, redis_url) == {pod}, f"the worker of {pod} to claim nothing more", within=60)
    said(kubectl, "drain", pod, "--undo")
    until(lambda: not draining(pool, redis_url), f"the worker of {pod} to claim again", within=60)

    said(kubectl, "unpin", pool.name)
    assert "replicas" not in kubectl.get("workerpool", pool.name)["spec"]
