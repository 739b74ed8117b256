"""The conditions that say who or what decides the number of pods. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.api.scaling import ScalingPause
from bullpen_operator.engine.queue_conditions import queue_found
from bullpen_operator.engine.view import FALSE, TRUE, Finding, known_before
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from bullpen_operator.engine.view import View

_LASTING: Final = (Reason.MAX_REPLICAS, Reason.GLOBAL_CONCURRENCY, Reason.QUEUE_RATE_LIMIT, Reason.AWAITING_DRAIN)
"""Limits that hold for as long as the load does, the first told before the others. Pauses between two steps and
windows that are not over are none.
"""


def scaling_active(view: View) -> Finding:
    """Whether the number of pods follows the queue, and since when not."""
    spec, reading, obstacle = view.pool.spec, view.reading, view.obstacle
    if obstacle is not None and not obstacle.passing:
        return Finding(status=FALSE, reason=obstacle.reason, message=obstacle.message)
    if view.fleet.foreign_scaler:
        message = f"{view.fleet.foreign_scaler} scales the same Deployment; remove it to let the pool scale."
        return Finding(status=FALSE, reason=Reason.FOREIGN_SCALER, message=message)
    if spec.replicas is not None:
        message = f"spec.replicas pins the pool to {spec.replicas}; remove it to let the pool scale."
        return Finding(status=FALSE, reason=Reason.PINNED, message=message)
    if spec.scaling.paused is not ScalingPause.NONE:
        held = {ScalingPause.IN: "no scale-down", ScalingPause.OUT: "no scale-up"}
        what = held.get(spec.scaling.paused, "no scaling")
        message = f"scaling.paused is {spec.scaling.paused} ({what}); set it to None to go on."
        return Finding(status=FALSE, reason=Reason.PAUSED, message=message)
    if not isinstance(reading, QueueReading):
        outage, since = spec.scaling.fallback, view.decision.memory.unread_since
        if outage is not None and since is not None and view.now - since >= outage.after_seconds:
            message = (
                f"the queue cannot be read, and scaling.fallback.replicas {outage.replicas} holds: {reading.message}"
            )
            return Finding(status=FALSE, reason=Reason.FALLBACK, message=message)
        return Finding(status=FALSE, reason=reading.reason, message=reading.message)
    if not reading.exists:
        found = queue_found(view)
        return Finding(status=FALSE, reason=found.reason, message=found.message)
    if reading.paused:
        return Finding(status=FALSE, reason=Reason.QUEUE_PAUSED, message=Reason.QUEUE_PAUSED.meaning)
    return Finding(status=TRUE, reason=Reason.SCALING, message=Reason.SCALING.meaning)


def scaling_limited(view: View) -> Finding:
    """Whether there would be more pods, or fewer, but for something outside the queue."""
    if view.fleet.quota_message:
        return Finding(status=TRUE, reason=Reason.QUOTA, message=view.fleet.quota_message)
    if not isinstance(view.reading, QueueReading):
        return known_before(view, ConditionType.SCALING_LIMITED)
    limit = next((limit for limit in _LASTING if limit in view.decision.limits), None)
    if limit is None:
        return Finding(status=FALSE, reason=Reason.NOT_LIMITED, message=Reason.NOT_LIMITED.meaning)
    return Finding(status=TRUE, reason=limit, message=limit.meaning)
