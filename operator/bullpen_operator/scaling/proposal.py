"""A number on its way through the limits, and all that a limit may look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bullpen_operator.api.reasons import Reason
    from bullpen_operator.scaling.decision import Memory
    from bullpen_operator.scaling.observation import Fleet, QueueReading
    from bullpen_operator.scaling.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a limit may look at."""

    rules: Rules
    reading: QueueReading | None
    """None while the queue is unknown."""
    unknown: Reason | None
    """Why it is unknown: it could not be read, or does not exist."""
    fleet: Fleet
    memory: Memory
    """Already brought up to this reading."""
    service_seconds: float
    lead_seconds: float
    now: float
    replicas: int
    """What the Deployment asks for now."""
    price: float = 0.0
    """Pod-seconds that a change must save."""

    @property
    def idle(self) -> bool:
        """Whether nothing waited, was due or ran for idleSeconds."""
        since = self.memory.idle_since
        return since is not None and self.now - since >= self.rules.idle_seconds

    def within(self, since: float | None, span: float) -> bool:
        """Whether `since` is less than `span` seconds ago; a time in the future is that of a clock set back, and long
        ago.
        """
        return since is not None and 0 <= self.now - since < span


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A number on its way through the chain."""

    situation: Situation
    replicas: int
    reason: Reason
    limited_by: Reason | None = None
    clauses: tuple[str, ...] = ()
    limits: tuple[Reason, ...] = ()
    """Every limit that changed the number so far, in order."""
    most: int = 0
    """Slots that would have a job; no foresight asks for more pods."""
    surplus: int = 0
    """Pods that would be let go had a change no price."""
    desired: int | None = None
    """What was left of the demand before only the safety of running pods was looked at."""

    @property
    def shrinks(self) -> bool:
        return self.replicas < self.situation.replicas

    def down_to(self, pods: int) -> int:
        """Its number, but no fewer than `pods` of those that there are."""
        return min(max(self.replicas, pods), self.situation.replicas)

    def limited(self, replicas: int, reason: Reason, clause: str) -> Proposal:
        """The proposal with another number; unchanged, and unexplained, if it has that number already."""
        if replicas == self.replicas:
            return self
        clauses, limits = (*self.clauses, clause), (*self.limits, reason)
        return replace(self, replicas=replicas, limited_by=reason, clauses=clauses, limits=limits)

    def held(self, reason: Reason, clause: str) -> Proposal:
        """The proposal turned into "as many as there are"."""
        return self.limited(self.situation.replicas, reason, clause)
