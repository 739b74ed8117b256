"""A number on its way through the limits, and all that a limit may look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bullpen_operator.scaling.hold import foreseen

if TYPE_CHECKING:
    from bullpen_operator.api.reasons import Reason
    from bullpen_operator.scaling.decision import Memory
    from bullpen_operator.scaling.observation import Fleet, QueueReading
    from bullpen_operator.scaling.rules import Rules

FORESIGHT_SECONDS: Final = 3600.0
"""A load that did not come for so long is not expected to come again."""


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
    elapsed: float = 0.0
    """Seconds since the last decision; 0 when that is too long ago to say what was between."""
    needs: tuple[tuple[float, int], ...] = ()
    """What was needed, in hindsight, this reading included (hold.Needs)."""
    cold: tuple[tuple[float, int], ...] = ()
    span: float = 0.0
    price: float = 0.0
    """For how many seconds what was needed is kept."""

    def needed_in(self, span: float, *, cold: bool = False) -> int:
        """The most pods that were needed in so many seconds."""
        return next((pods for at, pods in (self.cold if cold else self.needs) if at > self.now - span), 0)

    @property
    def foreseen(self) -> tuple[int, int]:
        """The pods that sufficed for the last hour, there and started only then."""
        return self.needed_in(FORESIGHT_SECONDS), self.needed_in(FORESIGHT_SECONDS, cold=True)

    @property
    def likely(self) -> tuple[int, int]:
        return foreseen(self.memory.visits, self.price) if self.memory.visits else self.foreseen

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
    surplus: int = 0
    """Pods that would have been let go had it cost nothing."""
    most: int = 0
    """Pods that would have a job."""
    desired: int | None = None
    """What was left of the demand before only the safety of running pods was looked at."""

    @property
    def shrinks(self) -> bool:
        return self.replicas < self.situation.replicas

    def limited(self, replicas: int, reason: Reason, clause: str) -> Proposal:
        """The proposal with another number; unchanged, and unexplained, if it has that number already."""
        if replicas == self.replicas:
            return self
        clauses, limits = (*self.clauses, clause), (*self.limits, reason)
        return replace(self, replicas=replicas, limited_by=reason, clauses=clauses, limits=limits)

    def held(self, reason: Reason, clause: str) -> Proposal:
        """The proposal turned into "as many as there are"."""
        return self.limited(self.situation.replicas, reason, clause)
