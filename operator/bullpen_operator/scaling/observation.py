"""What is seen of a queue and of a Deployment: plain values, made by the edges, read by the planner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bullpen_operator.api.reasons import Reason
    from bullpen_operator.scaling.workers import Workers

HORIZONS: Final = (5, 10, 20, 40, 80, 160, 320)
"""Seconds ahead for which a reading counts the delayed jobs that fall due until then."""


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
    newest_wait_seconds: float | None = None
    """How long the job at the back of the queue has waited; None when that is not known."""
    waiting_children: int = 0
    """Parents that wait for their children, and need no slot until then."""
    due_within: tuple[int, ...] = ()
    """Delayed jobs that fall due within each of `HORIZONS`, the due ones not counted; empty when none is delayed."""
    added: int | None = None
    """How many ids were given out (`id`); jobs with ids of their own do not count, ignored duplicates do."""
    finished: int | None = None
    """Completed and failed jobs since the queue exists (`metrics:…`), None while nobody counts them."""
    rate_limit: tuple[int, float] | None = None
    """Jobs that may start within so many seconds, over all workers; None is no limit."""
    limited_seconds: float = 0.0
    """For how long the limiter still lets nothing start."""
    newest_event: str | None = None
    """ID of the newest entry of its event stream, from which the doorbell listens on; None: it cannot."""
    workers: Workers | None = None
    """None where nobody asked for them."""

    @property
    def at_rest(self) -> bool:
        """Nothing waits, is due or runs."""
        return self.waiting == self.due == self.active == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFailed:
    """The queue could not be read, and why; `message` is a sentence for people and holds no secret."""

    at: float
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTrouble:
    """What keeps one pod or several of them from running; `message` is a sentence."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The pool's Deployment as last seen, and what is known of its pods; all zero when there is none."""

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
    busy: int | None = None
    """Pods that run a job; None while nobody can tell."""
    draining: int = 0
    """Pods that are asked to claim nothing more."""
    drained: int | None = None
    """Pods that claim nothing, run nothing and are the first that the controller would take (scaling.md §6); None
    while pods cannot be drained.
    """
    unwatched: int = 0
    """Pods whose worker does not say what it runs: nothing but their grace period protects a job there."""
    cpu_use: float | None = None
    """Mean CPU use of the workers as a share of what each may use, 0 to 1; None is unknown."""
    foreign_scaler: str = ""
    """An HPA or ScaledObject that scales the same Deployment, as kind/name; empty when there is none."""
    quota_message: str = ""
    """Why the namespace's quota lets no further pod be made; empty while it does, or while none is asked for."""
    unavailable_since: float | None = None
    """Since when not one pod is available, in seconds since the epoch; None while one is."""
    trouble: PodTrouble | None = None
    """What keeps a pod from running, as its own status says; None while nothing does or nobody has looked."""


NO_FLEET = Fleet(exists=False, replicas=0, pods=0, ready=0, updated=0, rolling=False, observed=True, stalled=False)
