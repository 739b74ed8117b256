"""What may change the number the demand asks for: an ordered chain of small named functions.

Each takes the proposal so far and returns it, or one with another number, its reason, and a clause that
explains it; so the chain that decides also tells why. The order is the priority: what comes later wins.
Everything that would end a pod stands last, so no rule before it can talk a running job's pod away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bullpen_operator.api.reasons import Reason
from bullpen_operator.api.scaling import ScalingPause
from bullpen_operator.scaling.bounds import (
    fallback,
    global_concurrency,
    maximum,
    minimum,
    pin,
    queue_paused,
    queue_rate,
    schedule,
)
from bullpen_operator.scaling.numbers import count
from bullpen_operator.scaling.proposal import Proposal

UP_SECONDS: Final = 6.0
"""At most one step up in this many seconds; from zero at once (scaling.md §5)."""
DOWN_SECONDS: Final = 30.0
"""At most one step down in this many seconds (scaling.md §5)."""
SMALL_STEP: Final = 2.0
"""A step up that does not triple the pool waits until the pods of the last one can be there: a pod start."""
DRAINED_SHARE: Final = 0.5
"""A step down waits until so many of the pods that are to go have finished, so that they go in a few writes."""
DEAD_BAND: Final = 0.05
"""A step down of a smaller share of the pods is not worth a write (scaling.md §5)."""


def foresight(proposal: Proposal) -> Proposal:
    """A pool that must grow grows at once to what the load needed when it came before, as far as there may be jobs for
    it: so a load that comes again takes one change.
    """
    situation = proposal.situation
    if proposal.replicas <= situation.replicas:
        return proposal
    foreseen = min(situation.memory.past.foreseen(situation.replicas), proposal.most)
    return proposal.limited(
        max(foreseen, proposal.replicas), Reason.SEEN_BEFORE, f"raised to the {foreseen} that its load needed before"
    )


def stabilization(proposal: Proposal) -> Proposal:
    """Down only to the most that was needed in stabilizationSeconds, and not while a load that just came, or a step up
    for it, may still show what it takes; an idle pool has its own window.

    What was needed is what would have sufficed in hindsight; while nobody knows that, what was recommended.
    """
    situation = proposal.situation
    if not proposal.shrinks or situation.idle:
        return proposal
    memory, span = situation.memory, situation.rules.stabilization_seconds
    highest = memory.past.needed(span, now=situation.now)
    if not memory.rates.known:
        highest = memory.recommended[0][1] if memory.recommended else 0
    elif situation.within(memory.grown_at, span):
        return proposal.held(Reason.STABILIZATION, f"but the pool grew less than {span:g} s ago")
    elif situation.within(memory.past.came_at, span):
        return proposal.held(Reason.STABILIZATION, f"but its load came less than {span:g} s ago")
    clause = f"but {highest} were needed in the last {span:g} s"
    return proposal.limited(proposal.down_to(highest), Reason.STABILIZATION, clause)


def hold(proposal: Proposal) -> Proposal:
    """What the load needed when it last came is kept for as long as that was cheapest so far."""
    situation = proposal.situation
    past = situation.memory.past
    if not proposal.shrinks or not past.span:
        return proposal
    highest = past.needed(past.span, now=situation.now)
    clause = f"but {highest} were needed in the last {past.span / 60:.0f} min and may be again"
    return proposal.limited(proposal.down_to(highest), Reason.MAY_RETURN, clause)


def paused(proposal: Proposal) -> Proposal:
    """scaling.paused holds one direction or both; a pin is an order of its own and overrides it."""
    rules = proposal.situation.rules
    if rules.paused is ScalingPause.NONE or rules.pinned is not None:
        return proposal
    held = {ScalingPause.BOTH, ScalingPause.IN if proposal.shrinks else ScalingPause.OUT}
    if rules.paused not in held:
        return proposal
    return proposal.held(Reason.PAUSED, f"but scaling.paused is {rules.paused}")


def growth_rate(proposal: Proposal) -> Proposal:
    """One step up at a time, so that the pods of the last one can show what they do; the first pods come at once."""
    situation = proposal.situation
    if proposal.replicas <= situation.replicas or situation.replicas == 0:
        return proposal
    more = proposal.replicas - situation.replicas
    wait = UP_SECONDS
    if more < SMALL_STEP * situation.replicas:
        wait = max(wait, min(situation.lead_seconds, situation.rules.objective_seconds / 2))
    if not situation.within(situation.memory.grown_at, wait):
        return proposal
    return proposal.held(Reason.RATE_LIMIT, f"but the pool grew less than {wait:.0f} s ago")


def rollout_freeze(proposal: Proposal) -> Proposal:
    """Nothing shrinks while the Deployment replaces pods: two controllers would choose victims at once
    (scaling.md §5).

    The freeze ends with a rollout that gave up, or it would last for ever.
    """
    fleet = proposal.situation.fleet
    if not proposal.shrinks or fleet.stalled or not (fleet.rolling or not fleet.observed):
        return proposal
    return proposal.held(Reason.ROLLOUT_IN_PROGRESS, "but a rollout is in progress")


def unseen_past(proposal: Proposal) -> Proposal:
    """Nothing shrinks before a whole stabilisation window was watched: after a start of the operator, a change of
    leader, or a counter that ran backwards, nobody knows what was needed before. A pin needs no past, and an idle queue
    was watched for its own window, idleSeconds.
    """
    situation = proposal.situation
    if not proposal.shrinks or situation.rules.pinned is not None:
        return proposal
    span = situation.rules.stabilization_seconds
    if situation.within(situation.memory.rates.reset_at, span):
        return proposal.held(Reason.COUNTERS_RESET, f"but the queue's counters started anew less than {span:g} s ago")
    if not situation.idle and situation.within(situation.memory.since, span):
        return proposal.held(Reason.JUST_STARTED, f"but the operator has watched the queue for less than {span:g} s")
    return proposal


def dead_band(proposal: Proposal) -> Proposal:
    """A small step down saves less than the write and the next step up cost; the bounds and zero are always met."""
    situation = proposal.situation
    rules, saved = situation.rules, situation.replicas - proposal.replicas
    if not proposal.shrinks or proposal.replicas == 0 or rules.pinned is not None or situation.idle:
        return proposal
    if saved >= DEAD_BAND * situation.replicas or situation.replicas > rules.max_replicas:
        return proposal
    return proposal.held(Reason.DEAD_BAND, f"but a step of {saved} is less than {DEAD_BAND:.0%}")


def churn(proposal: Proposal) -> Proposal:
    """Pods are kept until they have cost as much as the change: the rule by which one rents skis until the rent has
    cost as much as buying them (Karlin et al., 1988), at most twice the best choice.
    """
    situation = proposal.situation
    if not proposal.shrinks or situation.rules.pinned is not None or situation.replicas > situation.rules.max_replicas:
        return proposal
    proposal = replace(proposal, surplus=situation.replicas - proposal.replicas)
    spare = situation.memory.spare
    if spare >= situation.price:
        return proposal
    return proposal.held(
        Reason.CHURN, f"but that has not saved the {situation.price:.0f} pod-seconds yet that a change must save"
    )


def shrink_rate(proposal: Proposal) -> Proposal:
    """One step down at a time, so that what it does shows before the next."""
    situation = proposal.situation
    if not proposal.shrinks or situation.rules.pinned is not None:
        return proposal
    if not situation.within(situation.memory.shrunk_at, DOWN_SECONDS):
        return proposal
    return proposal.held(Reason.RATE_LIMIT, f"but the pool shrank less than {DOWN_SECONDS:.0f} s ago")


def keep_busy(proposal: Proposal) -> Proposal:
    """No pod is ended while jobs run, or while nobody knows whether any do: only a worker checks for stalled jobs."""
    reading = proposal.situation.reading
    if not proposal.shrinks:
        return proposal
    if reading is None:
        return proposal.held(proposal.situation.unknown or Reason.NOT_READ, "but nobody knows whether jobs run")
    active = count(reading.active)
    if active and proposal.replicas == 0 and proposal.situation.fleet.drained is None:
        return proposal.held(Reason.BUSY, f"but {active} still run")
    return proposal


def idle_window(proposal: Proposal) -> Proposal:
    """To zero only after the queue was idle for idleSeconds; a pin to zero only waits for the queue to be idle."""
    situation = proposal.situation
    if not proposal.shrinks or proposal.replicas > 0:
        return proposal
    rules = situation.rules
    if situation.memory.idle_since is None:
        return _but_one(proposal, Reason.BACKLOG, "but jobs wait, run or are due")
    if rules.pinned is not None or situation.idle:
        return proposal
    return _but_one(proposal, Reason.IDLE_WINDOW, f"but not for {rules.idle_seconds:g} s yet")


def next_job_due(proposal: Proposal) -> Proposal:
    """Pods that a delayed job needs in a moment are not stopped to be started again."""
    situation, reading = proposal.situation, proposal.situation.reading
    if not proposal.shrinks or proposal.replicas > 0 or situation.rules.pinned is not None:
        return proposal
    if reading is None or reading.paused or reading.next_due_at is None:
        return proposal
    lead = situation.lead_seconds
    if reading.next_due_at - situation.now > lead + situation.rules.tick_seconds:
        return proposal
    return _but_one(proposal, Reason.NEXT_JOB_DUE, f"but a delayed job is due within {lead:.0f} s")


def _but_one(proposal: Proposal, reason: Reason, clause: str) -> Proposal:
    """To one pod instead of none; where pods cannot be drained, one step down is as good as the other: none."""
    if proposal.situation.fleet.drained is None:
        return proposal.held(reason, clause)
    return proposal.limited(min(1, proposal.situation.replicas), reason, clause)


def await_drain(proposal: Proposal) -> Proposal:
    """Only pods that were drained are ended, and never more than do not run a job (scaling.md §6).

    Without drain, N → M with 0 < M < N is never written: the Deployment would choose the victims, and busy pods among
    them. With it, a pod that is not ready is chosen before any drained one: so while there is one beyond those to be
    ended, nothing shrinks. To zero nothing is chosen, but all of them have to be drained: a job may have come since.
    """
    situation, fleet = proposal.situation, proposal.situation.fleet
    if not proposal.shrinks:
        return proposal
    desired = proposal.replicas
    if fleet.drained is None:
        if proposal.replicas == 0:
            return proposal
        # A rollout has two ReplicaSets, each of which chooses its victims for itself.
        when = "in the middle of a rollout" if fleet.rolling else "now"
        undrained = f"but no pod can be drained {when}, and undrained it shrinks only to zero, when nothing runs"
        clause = f"so {proposal.replicas} would do, {undrained}"
        return replace(proposal.held(Reason.AWAITING_DRAIN, clause), desired=desired)
    free = max(situation.replicas - count(fleet.drained), count(fleet.busy))
    least = proposal.down_to(free)
    clause = f"on the way to {proposal.replicas}: pods are ended when they have finished what they run"
    if count(fleet.pods) - count(fleet.ready) > situation.replicas - least:
        held = proposal.held(Reason.AWAITING_DRAIN, "but a pod that is to stay is not ready and would be ended first")
        return replace(held, desired=desired)
    if situation.replicas - least < DRAINED_SHARE * (situation.replicas - desired):
        return replace(proposal.held(Reason.AWAITING_DRAIN, clause), desired=desired)
    return replace(proposal.limited(least, Reason.AWAITING_DRAIN, clause), desired=desired)


def foreign_scaler(proposal: Proposal) -> Proposal:
    """Two scalers of one Deployment undo each other's work: the other one has it until it is removed."""
    scaler = proposal.situation.fleet.foreign_scaler
    if not scaler:
        return proposal
    return proposal.held(Reason.FOREIGN_SCALER, f"but {scaler} scales the same Deployment")


Limit = Callable[[Proposal], Proposal]

QUEUE_LIMITS: Final[tuple[Limit, ...]] = (queue_paused, global_concurrency, queue_rate)
DEMAND_LIMITS: Final[tuple[Limit, ...]] = (foresight, *QUEUE_LIMITS)
"""Asked first: what they leave is the recommendation that the stabilisation window remembers."""

LIMITS: Final[tuple[Limit, ...]] = (
    stabilization,
    hold,
    fallback,
    minimum,
    schedule,
    pin,
    maximum,
    paused,
    growth_rate,
    rollout_freeze,
    unseen_past,
    dead_band,
    churn,
    shrink_rate,
    keep_busy,
    idle_window,
    next_job_due,
    foreign_scaler,
    await_drain,
)
"""In the order in which they are asked."""
