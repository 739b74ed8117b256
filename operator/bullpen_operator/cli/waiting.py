"""What a pool waits for, and who could change that: one sentence for each limit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

Spec = dict[str, Any]


def _scaling(spec: Spec) -> Spec:
    scaling: Spec = spec.get("scaling") or {}
    return scaling


AWAITED: Final[dict[str, Callable[[Spec], str]]] = {
    Reason.MIN_REPLICAS: lambda spec: f"nothing: scaling.minReplicas keeps {_scaling(spec).get('minReplicas', 0)}",
    Reason.MAX_REPLICAS: lambda spec: (
        f"nothing: scaling.maxReplicas allows {_scaling(spec).get('maxReplicas', '?')}; raise it to let the pool grow"
    ),
    Reason.PINNED: lambda spec: f"an unpin: spec.replicas is {spec.get('replicas', '?')}",
    Reason.PAUSED: lambda spec: f"a resume: scaling.paused is {_scaling(spec).get('paused', '?')}",
    Reason.QUEUE_PAUSED: lambda _: "the queue's pause to end (bullpen resume QUEUE)",
    Reason.GLOBAL_CONCURRENCY: lambda _: "nothing: the queue's own concurrency limit leaves more pods without work",
    Reason.QUEUE_RATE_LIMIT: lambda _: "nothing: the queue's own rate limit leaves more pods without work",
    Reason.SCHEDULE: lambda _: "the end of a window of scaling.schedule",
    Reason.FALLBACK: lambda _: "the queue to be read again; scaling.fallback holds until then",
    Reason.STABILIZATION: lambda spec: (
        f"less demand for {_scaling(spec).get('stabilizationSeconds', '?')} s in a row (scaling.stabilizationSeconds)"
    ),
    Reason.DEAD_BAND: lambda _: "a larger difference: this step down is not worth a write",
    Reason.SEEN_BEFORE: lambda _: "nothing: its load came before, and the pool grew at once to what it needed then",
    Reason.MAY_RETURN: lambda _: "the load to stay away for longer than it did before",
    Reason.CHURN: lambda _: "a larger saving: a change of size must be worth it",
    Reason.JUST_STARTED: lambda spec: (
        f"the operator to have watched the queue for {_scaling(spec).get('stabilizationSeconds', '?')} s"
    ),
    Reason.COUNTERS_RESET: lambda spec: (
        f"{_scaling(spec).get('stabilizationSeconds', '?')} s of readings since the queue's counters ran backwards"
    ),
    Reason.FOREIGN_SCALER: lambda _: "the other scaler of its Deployment to be removed",
    Reason.AWAITING_DRAIN: lambda _: "jobs to end on pods that can go",
    Reason.BUSY: lambda _: "the running jobs to end",
    Reason.IDLE_WINDOW: lambda spec: f"{_scaling(spec).get('idleSeconds', '?')} s without a job (scaling.idleSeconds)",
    Reason.NEXT_JOB_DUE: lambda _: "a delayed job that is due in a moment",
    Reason.RATE_LIMIT: lambda _: "some seconds since its last change of size",
    Reason.ROLLOUT_IN_PROGRESS: lambda _: "the rollout to end",
    Reason.QUEUE_NOT_FOUND: lambda _: "the first job, or another name or prefix of the queue",
}
"""Reasons that are no limit, such as Backlog, are not here: then the pool does what the demand asks for."""
_UNREAD: Final = frozenset(
    {
        Reason.UNREACHABLE,
        Reason.AUTHENTICATION_FAILED,
        Reason.PERMISSION_DENIED,
        Reason.TLS_FAILED,
        Reason.BAD_URL,
        Reason.SECRET_MISSING,
        Reason.SECRET_FORBIDDEN,
        Reason.QUEUE_UNREADABLE,
        Reason.NOT_READ,
    }
)
BY_HAND: Final = frozenset({Reason.PINNED, Reason.PAUSED, Reason.QUEUE_PAUSED})
"""What somebody wants so: no trouble."""


def awaited(limit: str, spec: Spec) -> str | None:
    """What ends this limit; None when it is none, or one of a newer operator."""
    if limit in _UNREAD:
        return "the queue to be read again"
    known = AWAITED.get(limit)
    return None if known is None else known(spec)
