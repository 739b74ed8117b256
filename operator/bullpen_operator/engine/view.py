"""What the conditions of a pool are judged by, and what a judgement is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.api.status import ConditionStatus
from bullpen_operator.engine.promise import NO_JOBS, Promise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, QueueReading, ReadingFailed

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
    decision: Decision
    now: float
    """Seconds since the epoch."""
    sharing: tuple[str, ...] = ()
    """Other pools that serve the same queue, as namespace/name; not more than a few."""
    promise: Promise = NO_JOBS

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


def known_before(view: View, kind: ConditionType) -> Finding:
    """What is said while the queue cannot be read: what was said of this generation last, else that nobody knows."""
    written = view.before(kind)
    if written.get("observedGeneration") == view.generation:
        status = ConditionStatus(written["status"])
        return Finding(status=status, reason=written["reason"], message=written["message"])
    return Finding(status=UNKNOWN, reason=Reason.NOT_READ, message=Reason.NOT_READ.meaning)
