"""What may change the number the demand asks for: an ordered chain of small named functions.

Each takes the proposal so far and returns it, or one with another number, its reason, and a clause that
explains it; so the chain that decides also tells why. The order is the priority: what comes later wins.
Everything that would end a pod stands last, so no rule before it can talk a running job's pod away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bullpen_operator.api.pool import ScalingPause
from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling.sizing import count, pods_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen_operator.scaling.decision import Memory
    from bullpen_operator.scaling.observation import Fleet, QueueReading
    from bullpen_operator.scaling.rules import Rules

UP_SECONDS: Final = 6.0
"""At most one step up in this many seconds; from zero at once (scaling.md §5)."""
LEAD_SECONDS: Final = 10.0
"""How long before a delayed job is due its pods are no longer stopped: about what a pod takes to start."""


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
    now: float

    @property
    def replicas(self) -> int:
        return count(self.fleet.replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A number on its way through the chain."""

    situation: Situation
    replicas: int
    reason: Reason
    limited_by: Reason | None = None
    clauses: tuple[str, ...] = ()

    @property
    def shrinks(self) -> bool:
        return self.replicas < self.situation.replicas

    def limited(self, replicas: int, reason: Reason, clause: str) -> Proposal:
        """The proposal with another number; unchanged, and unexplained, if it has that number already."""
        if replicas == self.replicas:
            return self
        return replace(self, replicas=replicas, limited_by=reason, clauses=(*self.clauses, clause))

    def held(self, reason: Reason, clause: str) -> Proposal:
        """The proposal turned into "as many as there are"."""
        return self.limited(self.situation.replicas, reason, clause)


def queue_paused(proposal: Proposal) -> Proposal:
    """A paused queue hands out nothing: only what runs already needs pods."""
    reading = proposal.situation.reading
    if reading is None or not reading.paused:
        return proposal
    needed = pods_for(count(reading.active), proposal.situation.rules.concurrency)
    return proposal.limited(min(proposal.replicas, needed), Reason.QUEUE_PAUSED, "but the queue is paused")


def global_concurrency(proposal: Proposal) -> Proposal:
    """The queue's own limit of running jobs makes more pods useless."""
    reading = proposal.situation.reading
    cap = count(reading.global_concurrency) if reading is not None else 0
    if not cap:
        return proposal
    most = pods_for(cap, proposal.situation.rules.concurrency)
    return proposal.limited(
        min(proposal.replicas, most),
        Reason.GLOBAL_CONCURRENCY,
        f"limited by the queue's own concurrency {cap}",
    )


def minimum(proposal: Proposal) -> Proposal:
    """Never fewer than minReplicas."""
    least = max(proposal.situation.rules.min_replicas, 0)
    return proposal.limited(max(proposal.replicas, least), Reason.MIN_REPLICAS, f"raised to minReplicas {least}")


def pin(proposal: Proposal) -> Proposal:
    """spec.replicas takes the place of all that was said before."""
    pinned = proposal.situation.rules.pinned
    if pinned is None:
        return proposal
    number = max(pinned, 0)
    clause = f"pinned to {number} by spec.replicas"
    return replace(proposal, replicas=number, reason=Reason.PINNED, limited_by=None, clauses=(clause,))


def maximum(proposal: Proposal) -> Proposal:
    """Never more than maxReplicas, pinned or not."""
    most = max(proposal.situation.rules.max_replicas, 0)
    return proposal.limited(min(proposal.replicas, most), Reason.MAX_REPLICAS, f"limited by maxReplicas {most}")


def paused(proposal: Proposal) -> Proposal:
    """scaling.paused holds one direction or both; a pin is an order of its own and overrides it."""
    rules = proposal.situation.rules
    if rules.pinned is not None:
        return proposal
    held = {ScalingPause.BOTH, ScalingPause.IN if proposal.shrinks else ScalingPause.OUT}
    if rules.paused not in held:
        return proposal
    return proposal.held(Reason.PAUSED, f"but scaling.paused is {rules.paused}")


def growth_rate(proposal: Proposal) -> Proposal:
    """One step up at a time, so that the pods of the last one can show what they do; the first pods come at once."""
    situation = proposal.situation
    grown_at = situation.memory.grown_at
    if proposal.replicas <= situation.replicas or situation.replicas == 0 or grown_at is None:
        return proposal
    if not 0 <= situation.now - grown_at < UP_SECONDS:
        return proposal
    return proposal.held(Reason.RATE_LIMIT, f"but the pool grew less than {UP_SECONDS:.0f} s ago")


def rollout_freeze(proposal: Proposal) -> Proposal:
    """Nothing shrinks while the Deployment replaces pods: two controllers would choose victims at once
    (scaling.md §5).

    The freeze ends with a rollout that gave up, or it would last for ever.
    """
    fleet = proposal.situation.fleet
    if not proposal.shrinks or fleet.stalled or not (fleet.rolling or not fleet.observed):
        return proposal
    return proposal.held(Reason.ROLLOUT_IN_PROGRESS, "but a rollout is in progress")


def keep_busy(proposal: Proposal) -> Proposal:
    """No pod is ended while jobs run, or while nobody knows whether any do: only a worker checks for stalled jobs."""
    reading = proposal.situation.reading
    if not proposal.shrinks:
        return proposal
    if reading is None:
        return proposal.held(proposal.situation.unknown or Reason.NOT_READ, "but nobody knows whether jobs run")
    active = count(reading.active)
    if active and proposal.replicas == 0:
        return proposal.held(Reason.BUSY, f"but {active} still run")
    return proposal


def idle_window(proposal: Proposal) -> Proposal:
    """To zero only after the queue was idle for idleSeconds; a pin to zero only waits for the queue to be idle."""
    situation = proposal.situation
    if not proposal.shrinks or proposal.replicas > 0:
        return proposal
    since, rules = situation.memory.idle_since, situation.rules
    if since is None:
        return proposal.held(Reason.BACKLOG, "but jobs wait or are due")
    if rules.pinned is not None or situation.now - since >= rules.idle_seconds:
        return proposal
    return proposal.held(Reason.IDLE_WINDOW, f"but not for {rules.idle_seconds:g} s yet")


def next_job_due(proposal: Proposal) -> Proposal:
    """Pods that a delayed job needs in a moment are not stopped to be started again."""
    situation, reading = proposal.situation, proposal.situation.reading
    if not proposal.shrinks or proposal.replicas > 0 or situation.rules.pinned is not None:
        return proposal
    if reading is None or reading.paused or reading.next_due_at is None:
        return proposal
    if reading.next_due_at - situation.now > LEAD_SECONDS:
        return proposal
    return proposal.held(Reason.NEXT_JOB_DUE, f"but a delayed job is due within {LEAD_SECONDS:.0f} s")


def await_drain(proposal: Proposal) -> Proposal:
    """N → M with 0 < M < N is never written: the Deployment would choose the victims, and busy pods among
    them.

    The workers' drain marks (scaling.md §6) take this limit's place.
    """
    if not proposal.shrinks or proposal.replicas == 0:
        return proposal
    return proposal.held(
        Reason.AWAITING_DRAIN,
        f"so {proposal.replicas} would do, but the pool shrinks only to zero, when nothing runs",
    )


LIMITS: Final[tuple[Callable[[Proposal], Proposal], ...]] = (
    queue_paused,
    global_concurrency,
    minimum,
    pin,
    maximum,
    paused,
    growth_rate,
    rollout_freeze,
    keep_busy,
    idle_window,
    next_job_due,
    await_drain,
)
"""In the order in which they are asked."""
