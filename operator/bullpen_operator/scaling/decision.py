"""What the planner answers: a number, the reasons for it, and what the next decision must know."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bullpen_operator.scaling.lead import Lead
from bullpen_operator.scaling.past import Past
from bullpen_operator.scaling.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.api.reasons import Reason

CHURN_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a decision needs of the past; seconds since the epoch.

    The default is right after a start of the operator, or after it became the leader: nothing was seen idle yet, nor
    for how long demand was low, so nothing shrinks at once.
    """

    since: float | None = None
    """The first decision of this operator, or the first after an outage as long as the stabilisation window."""
    idle_since: float | None = None
    """The first reading of the present unbroken run of idle readings."""
    unread_since: float | None = None
    """The first of the present unbroken run of readings that failed."""
    grown_at: float | None = None
    """The last step up."""
    shrunk_at: float | None = None
    """The last step down."""
    writes: float = 0.0
    """Changes of the number so far, of which those of an hour ago count 1/e."""
    written_at: float | None = None
    """The last of them."""
    at: float | None = None
    """The last decision."""
    spare: float = 0.0
    """Pod-seconds since the last change of the number that would not have been without the price of a change."""
    surplus: int = 0
    """Pods that the last decision kept for no other reason."""
    finished: int | None = None
    """Jobs completed and failed at the last reading: if they changed, jobs ran between two idle readings."""
    recommended: tuple[tuple[float, int], ...] = ()
    """Recommendations of the stabilisation window, of which no later one is larger: the first is the window's maximum
    (a monotonic queue).
    """
    past: Past = field(default_factory=Past)
    rates: Rates = field(default_factory=Rates)
    lead: Lead = field(default_factory=Lead)

    def of_another_queue(self) -> Memory:
        """What stays true of the pool when it serves another queue: how its pods start, and how often it changed."""
        return Memory(lead=self.lead, grown_at=self.grown_at, writes=self.writes, written_at=self.written_at)

    def churn(self, now: float) -> float:
        """Changes in about the last hour (exponentially forgotten)."""
        if self.written_at is None:
            return 0.0
        return self.writes * math.exp(-max(now - self.written_at, 0.0) / CHURN_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many replicas the Deployment is to have, and why; the same value feeds status, Event, metrics and
    log.

    `memory` is to be kept when the write was accepted (or when there was nothing to write), and the old one
    when it was refused.
    """

    from_: int
    to: int
    """What is to be written now."""
    desired: int
    """What the pool should have once pods that are still needed have finished: `to` ≥ `desired`, and the difference is
    to be drained.
    """
    reason: Reason
    """What the number was derived from; with a failed reading, why it failed."""
    limited_by: Reason | None
    """The limit that changed the number last, None when the demand itself is met."""
    message: str
    inputs: Mapping[str, float]
    memory: Memory
    limits: tuple[Reason, ...] = ()
    """Every limit that changed the number, in the order in which they were asked; `limited_by` is the last of them."""

    @property
    def changes(self) -> bool:
        return self.to != self.from_
