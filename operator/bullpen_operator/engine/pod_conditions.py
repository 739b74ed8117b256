"""The conditions that follow from the Deployment and its pods. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bullpen_operator.api.pods import POOL_LABEL
from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.engine.view import FALSE, TRUE, Finding

if TYPE_CHECKING:
    from bullpen_operator.engine.view import View

START_SECONDS: Final = 180.0
"""For so long not one pod may be available before that is trouble: images are pulled and apps imported meanwhile."""


def ready(view: View) -> Finding:
    """Whether the pool works as a generation of its spec says.

    It speaks of the newest generation that was rolled out, and keeps that one's number while the next is on
    its way: so a rollout, a change of size or a gap in the metrics never turns it, and `kubectl wait`, which
    compares the number, still waits for the new generation.
    """
    failure = _failure(view)
    if failure is not None:
        return failure
    done = Reason.PODS_READY if view.fleet.replicas else Reason.AT_ZERO
    written = view.before(ConditionType.READY)
    was_ready = written.get("status") == TRUE
    if view.complete or (was_ready and written.get("observedGeneration") == view.generation):
        return Finding(status=TRUE, reason=done, message=done.meaning)
    if was_ready:
        generation = written.get("observedGeneration", view.generation)
        return Finding(status=TRUE, reason=done, message=done.meaning, generation=generation)
    return Finding(status=FALSE, reason=Reason.PODS_STARTING, message=Reason.PODS_STARTING.meaning)


def reconciling(view: View) -> Finding:
    """Whether the Deployment is still on its way to what the spec says; a change of size is none."""
    failure = _failure(view)
    if failure is not None:
        return failure
    if view.obstacle is not None:
        return Finding(status=TRUE, reason=view.obstacle.reason, message=view.obstacle.message)
    judged = ready(view)
    newest = judged.status == TRUE and judged.generation is None
    if newest and view.applied and not view.fleet.rolling:
        return Finding(status=FALSE, reason=Reason.UP_TO_DATE, message=Reason.UP_TO_DATE.meaning)
    reason = Reason.ROLLOUT_IN_PROGRESS if view.fleet.rolling else Reason.PODS_STARTING
    return Finding(status=TRUE, reason=reason, message=reason.meaning)


def stalled(view: View) -> Finding:
    """Whether somebody has to change something before it goes on."""
    failure = _failure(view)
    if failure is not None:
        return Finding(status=TRUE, reason=failure.reason, message=failure.message)
    return Finding(status=FALSE, reason=Reason.UP_TO_DATE, message="Nothing stands in the way.")


def draining(view: View) -> Finding:
    """Whether pods are asked to finish their jobs and go."""
    number = view.fleet.draining
    if not number:
        return Finding(status=FALSE, reason=Reason.NOT_DRAINING, message=Reason.NOT_DRAINING.meaning)
    message = f"{number} of {view.fleet.pods} pods finish their jobs and take no more; they are ended then."
    if view.fleet.unwatched:
        message += (
            f" Of {view.fleet.unwatched} pods nobody can tell what they run, because their workers are not Bullpen's: "
            "only their grace period protects it."
        )
    return Finding(status=TRUE, reason=Reason.DRAINING, message=message)


def workers_available(view: View) -> Finding:
    """Whether anything keeps the pods that are asked for from running.

    Pods that merely start are no trouble, whether they come from zero or replace others. What the pods say of
    themselves counts at once; what the Deployment says, after `START_SECONDS`.
    """
    fleet = view.fleet
    if not fleet.replicas:
        return Finding(status=TRUE, reason=Reason.AT_ZERO, message=Reason.AT_ZERO.meaning)
    if fleet.trouble is not None:
        return Finding(status=FALSE, reason=fleet.trouble.reason, message=fleet.trouble.message)
    if fleet.ready:
        return Finding(status=TRUE, reason=Reason.PODS_READY, message=Reason.PODS_READY.meaning)
    if fleet.quota_message:
        return Finding(status=FALSE, reason=Reason.QUOTA, message=fleet.quota_message)
    since = fleet.unavailable_since
    if since is not None and view.now - since >= START_SECONDS:
        message = (
            f"not one of {fleet.replicas} pods has become ready for {START_SECONDS:g} s: "
            f"see kubectl describe pods --selector={POOL_LABEL}={view.pool.metadata.name}"
        )
        return Finding(status=FALSE, reason=Reason.PODS_NOT_READY, message=message)
    return Finding(status=TRUE, reason=Reason.PODS_STARTING, message=Reason.PODS_STARTING.meaning)


def _failure(view: View) -> Finding | None:
    """What does not go away by itself."""
    obstacle = view.obstacle
    if obstacle is not None and not obstacle.passing:
        return Finding(status=FALSE, reason=obstacle.reason, message=obstacle.message)
    if view.fleet.stalled:
        message = view.fleet.stalled_message or Reason.ROLLOUT_STALLED.meaning
        return Finding(status=FALSE, reason=Reason.ROLLOUT_STALLED, message=message)
    return None
