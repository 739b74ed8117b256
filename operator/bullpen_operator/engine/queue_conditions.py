"""The conditions that follow from the queue as read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.engine.promise import WINDOW_SECONDS
from bullpen_operator.engine.view import FALSE, TRUE, UNKNOWN, Finding, known_before
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from bullpen_operator.engine.view import View


def queue_reachable(view: View) -> Finding:
    """Whether Redis answers for the queue."""
    reading = view.reading
    if isinstance(reading, QueueReading):
        return Finding(status=TRUE, reason=Reason.REACHABLE, message=Reason.REACHABLE.meaning)
    return Finding(status=FALSE, reason=reading.reason, message=reading.message)


def queue_found(view: View) -> Finding:
    """Whether the queue exists; while Redis does not answer, what was known of it stays."""
    reading, spec = view.reading, view.pool.spec
    if not isinstance(reading, QueueReading):
        return known_before(view, ConditionType.QUEUE_FOUND)
    if reading.exists:
        return Finding(status=TRUE, reason=Reason.QUEUE_FOUND, message=Reason.QUEUE_FOUND.meaning)
    keys = f"{spec.prefix}:{spec.queue}:meta nor {spec.prefix}:{spec.queue}:id"
    return Finding(
        status=FALSE,
        reason=Reason.QUEUE_NOT_FOUND,
        message=f"Redis has neither {keys}: check spec.queue and spec.prefix, or add the first job.",
    )


def queue_shared(view: View) -> Finding:
    """Whether other pools serve the same queue of the same Redis."""
    if not isinstance(view.reading, QueueReading):
        return known_before(view, ConditionType.QUEUE_SHARED)
    if not view.sharing:
        return Finding(status=FALSE, reason=Reason.SOLE_POOL, message=Reason.SOLE_POOL.meaning)
    message = (
        f"the queue is also served by {', '.join(view.sharing)}: each pool is sized for the whole queue, so there are "
        "more pods than needed; keep one of them, or pin the others"
    )
    return Finding(status=TRUE, reason=Reason.QUEUE_SHARED, message=message)


def objective_met(view: View) -> Finding:
    """Whether the promised share of jobs starts in time; while the queue is paused nobody can know."""
    reading, objective, promise = view.reading, view.pool.spec.scaling.wait_objective, view.promise
    if not isinstance(reading, QueueReading):
        return known_before(view, ConditionType.OBJECTIVE_MET)
    if reading.paused:
        return Finding(status=UNKNOWN, reason=Reason.QUEUE_PAUSED, message=Reason.QUEUE_PAUSED.meaning)
    if not promise.missed(objective):
        return Finding(status=TRUE, reason=Reason.OBJECTIVE_MET, message=Reason.OBJECTIVE_MET.meaning)
    limit = view.decision.limited_by
    cause = f"; the number of pods is limited by {limit}" if limit is not None else ""
    share = "all" if promise.late >= promise.jobs else f"{100 * promise.late / promise.jobs:.2g} % of the"
    message = (
        f"{share} jobs of the last {WINDOW_SECONDS / 60:.0f} min waited longer than the {objective.seconds} s of "
        f"scaling.waitObjective, which allows {100 - objective.percentile:g} %{cause}"
    )
    return Finding(status=FALSE, reason=Reason.OBJECTIVE_MISSED, message=message)
