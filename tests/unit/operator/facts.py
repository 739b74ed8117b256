"""A pool at rest: builders whose defaults are quiet, so that a test names only what matters to it."""

from __future__ import annotations

from typing import Any

from bullpen_operator.api.pool import WorkerPool
from bullpen_operator.api.reasons import Reason
from bullpen_operator.api.scaling import ScalingPause
from bullpen_operator.scaling.observation import Fleet, QueueReading, ReadingFailed
from bullpen_operator.scaling.rules import Rules

NOW = 1_800_000_000.0
LONG = 86_400
"""Seconds that a job runs: so long that each needs a slot of its own, which makes pods easy to count."""
REDIS_BY_SECRET: dict[str, Any] = {"urlFrom": {"secretKeyRef": {"name": "bullpen-redis", "key": "url"}}}


def reading(**known: Any) -> QueueReading:
    """An existing, empty queue, with what is known of it."""
    empty: dict[str, Any] = {
        "at": NOW,
        "exists": True,
        "paused": False,
        "waiting": 0,
        "due": 0,
        "active": 0,
        "delayed": 0,
        "failed": 0,
        "completed": 0,
        "oldest_wait_seconds": None,
        "next_due_at": None,
        "global_concurrency": None,
    }
    return QueueReading(**(empty | known))


def unreachable(reason: Reason = Reason.UNREACHABLE) -> ReadingFailed:
    return ReadingFailed(at=NOW, reason=reason, message="Redis at redis:6379 does not answer.")


def rules(**set_: Any) -> Rules:
    """Ten jobs a pod, none to seven pods, and the CRD's thresholds."""
    usual: dict[str, Any] = {
        "concurrency": 10,
        "min_replicas": 0,
        "max_replicas": 7,
        "queue_length": 100,
        "wait_seconds": 60,
        "idle_seconds": 60,
        "pinned": None,
        "paused": ScalingPause.NONE,
    }
    return Rules(**(usual | set_))


def fleet(replicas: int, **seen: Any) -> Fleet:
    """So many pods, all ready and of one template."""
    usual: dict[str, Any] = {
        "exists": True,
        "replicas": replicas,
        "pods": replicas,
        "ready": replicas,
        "updated": replicas,
        "rolling": False,
        "observed": True,
        "stalled": False,
    }
    return Fleet(**(usual | seen))


def pool(*, status: dict[str, Any] | None = None, generation: int = 1, **spec: Any) -> WorkerPool:
    """The smallest pool, with the given fields of its spec (camelCase, as in YAML)."""
    smallest = {"queue": "video", "image": "example/app:1", "redis": REDIS_BY_SECRET, "expectedJobSeconds": LONG}
    known = {"name": "video", "namespace": "media", "uid": "uid-1", "resourceVersion": "1000"}
    metadata = {**known, "generation": generation}
    return WorkerPool.model_validate({"metadata": metadata, "spec": smallest | spec, "status": status or {}})
