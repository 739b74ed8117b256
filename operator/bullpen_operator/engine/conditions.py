"""The conditions of a pool, each from what was observed. Pure.

Written for those who act on them: `kubectl wait --for=condition=Ready`, kstatus (Argo CD, Flux) and alerts.
kstatus takes Reconciling=True for "in progress", Stalled=True for "failed" and Ready=True for "current", in
this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.pool import ScalingPause
from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.api.status import Condition, ConditionStatus
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.scaling.observation import Fleet, ReadingFailed

_MESSAGE_LIMIT: Final = 4096
"""Characters. The CRD takes 32768; the API server's refusals quote values, and a template may hold a megabyte."""

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What keeps the operator from bringing the Deployment to what the spec says; `message` is a sentence."""

    reason: Reason
    message: str

    @property
    def passing(self) -> bool:
        """Whether it may go by itself: then it is no failure yet, only work that goes on."""
        return self.reason is Reason.WRITE_FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One pool as observed at one moment."""

    pool: WorkerPool
    fleet: Fleet
    reading: QueueReading | ReadingFailed
    applied: bool
    """The Deployment seen carries what this generation of the spec asks for."""
    obstacle: Obstacle | None

    @property
    def generation(self) -> int:
        return self.pool.metadata.generation

    @property
    def complete(self) -> bool:
        """The Deployment is rolled out, as `kubectl rollout status` judges it."""
        fleet = self.fleet
        settled = self.applied and fleet.exists and fleet.observed and not fleet.rolling
        return settled and fleet.updated >= fleet.replicas and fleet.ready >= fleet.replicas

    def before(self, kind: ConditionType) -> Mapping[str, Any]:
        """The condition as it was last written; empty when it never was."""
        written = self.pool.status.get("conditions") or []
        return next((condition for condition in written if condition.get("type") == kind), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a condition is to say; `generation` is None for the present one."""

    status: ConditionStatus
    reason: Reason | str
    message: str
    generation: int | None = None


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
        written = view.before(ConditionType.QUEUE_FOUND)
        if written.get("observedGeneration") == view.generation:
            status = ConditionStatus(written["status"])
            return Finding(status=status, reason=written["reason"], message=written["message"])
        return Finding(status=UNKNOWN, reason=Reason.NOT_READ, message=Reason.NOT_READ.meaning)
    if reading.exists:
        return Finding(status=TRUE, reason=Reason.QUEUE_FOUND, message=Reason.QUEUE_FOUND.meaning)
    keys = f"{spec.prefix}:{spec.queue}:meta nor {spec.prefix}:{spec.queue}:id"
    return Finding(
        status=FALSE,
        reason=Reason.QUEUE_NOT_FOUND,
        message=f"Redis has neither {keys}: check spec.queue and spec.prefix, or add the first job.",
    )


def scaling_active(view: View) -> Finding:
    """Whether the number of pods follows the queue, and since when not."""
    spec, reading, obstacle = view.pool.spec, view.reading, view.obstacle
    if obstacle is not None and not obstacle.passing:
        return Finding(status=FALSE, reason=obstacle.reason, message=obstacle.message)
    if spec.replicas is not None:
        message = f"spec.replicas pins the pool to {spec.replicas}; remove it to let the pool scale."
        return Finding(status=FALSE, reason=Reason.PINNED, message=message)
    if spec.scaling.paused is not ScalingPause.NONE:
        held = {ScalingPause.IN: "no scale-down", ScalingPause.OUT: "no scale-up"}
        what = held.get(spec.scaling.paused, "no scaling")
        message = f"scaling.paused is {spec.scaling.paused} ({what}); set it to None to go on."
        return Finding(status=FALSE, reason=Reason.PAUSED, message=message)
    if not isinstance(reading, QueueReading):
        return Finding(status=FALSE, reason=reading.reason, message=reading.message)
    if not reading.exists:
        found = queue_found(view)
        return Finding(status=FALSE, reason=found.reason, message=found.message)
    if reading.paused:
        return Finding(status=FALSE, reason=Reason.QUEUE_PAUSED, message=Reason.QUEUE_PAUSED.meaning)
    return Finding(status=TRUE, reason=Reason.SCALING, message=Reason.SCALING.meaning)


def _failure(view: View) -> Finding | None:
    """What does not go away by itself."""
    obstacle = view.obstacle
    if obstacle is not None and not obstacle.passing:
        return Finding(status=FALSE, reason=obstacle.reason, message=obstacle.message)
    if view.fleet.stalled:
        message = view.fleet.stalled_message or Reason.ROLLOUT_STALLED.meaning
        return Finding(status=FALSE, reason=Reason.ROLLOUT_STALLED, message=message)
    return None


CONDITIONS: Final[Mapping[ConditionType, Callable[[View], Finding]]] = {
    ConditionType.READY: ready,
    ConditionType.RECONCILING: reconciling,
    ConditionType.STALLED: stalled,
    ConditionType.QUEUE_REACHABLE: queue_reachable,
    ConditionType.QUEUE_FOUND: queue_found,
    ConditionType.SCALING_ACTIVE: scaling_active,
}


def conditions_of(view: View, *, time: str) -> list[Condition]:
    """All conditions of the pool; each keeps its transition time as long as its status stays."""
    found = []
    for kind, judge in CONDITIONS.items():
        finding, written = judge(view), view.before(kind)
        same = written.get("status") == finding.status
        found.append(
            Condition(
                type=kind,
                status=finding.status,
                observed_generation=view.generation if finding.generation is None else finding.generation,
                last_transition_time=written.get("lastTransitionTime", time) if same else time,
                reason=finding.reason,
                message=_cut(finding.message),
            )
        )
    return found


def _cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"
