"""What is seen of a queue and of a Deployment: plain values, made by the edges, read by the planner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bullpen_operator.api.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReading:
    """One queue at one moment.

    Counts are ≥ 0. `at` and `next_due_at` are seconds since the epoch, `oldest_wait_seconds` is ≥ 0 and None
    when nothing waits.
    """

    at: float
    exists: bool
    """False when neither the queue's meta nor its id key exists: a wrong name or prefix, or no job yet."""
    paused: bool
    waiting: int
    due: int
    """Delayed jobs whose time has come; nobody promotes them while no worker runs (scaling.md §2)."""
    active: int
    delayed: int
    """Delayed jobs altogether, the due ones included."""
    failed: int
    completed: int
    oldest_wait_seconds: float | None
    next_due_at: float | None
    global_concurrency: int | None
    """Jobs of this queue that may run at once over all workers; None is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFailed:
    """The queue could not be read, and why; `message` is a sentence for people and holds no secret."""

    at: float
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The pool's Deployment as last seen; all zero when there is none."""

    exists: bool
    replicas: int
    """What its spec asks for."""
    pods: int
    """What there is, pods of older templates included."""
    ready: int
    updated: int
    """Pods of its newest template."""
    rolling: bool
    """Pods of an older template are still there, or not all pods of the newest one are."""
    observed: bool
    """The Deployment controller has seen the last change of the spec."""
    stalled: bool
    """The Deployment reports ProgressDeadlineExceeded or ReplicaFailure."""
    stalled_message: str = ""


NO_FLEET = Fleet(exists=False, replicas=0, pods=0, ready=0, updated=0, rolling=False, observed=True, stalled=False)
