"""Limits that hold for a number whatever there was before: the queue's own, the user's, the clock's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling.numbers import count, seconds
from bullpen_operator.scaling.schedule import floor
from bullpen_operator.scaling.sizing import pods_for

if TYPE_CHECKING:
    from bullpen_operator.scaling.proposal import Proposal

_SHORTEST_SPAN: Final = 1e-3
"""Seconds: Redis counts the limiter's time in milliseconds."""


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


def queue_rate(proposal: Proposal) -> Proposal:
    """The queue's limiter starts so many jobs a second, and these fill rate · S slots (Little's law), plus one for the
    next.
    """
    situation = proposal.situation
    limit = situation.reading.rate_limit if situation.reading is not None else None
    if limit is None:
        return proposal
    jobs, span = count(limit[0]), seconds(limit[1])
    if not jobs or not span:
        return proposal
    busy = jobs / max(span, _SHORTEST_SPAN) * situation.service_seconds + 1
    running = count(situation.reading.active) if situation.reading is not None else 0
    most = pods_for(max(busy, float(running)), situation.rules.concurrency)
    return proposal.limited(
        min(proposal.replicas, most),
        Reason.QUEUE_RATE_LIMIT,
        f"limited by the queue's own rate of {jobs} in {span:g} s",
    )


def fallback(proposal: Proposal) -> Proposal:
    """A queue that cannot be read for long gets the replicas that the user named for that, or keeps more."""
    situation = proposal.situation
    rule, since = situation.rules.fallback, situation.memory.unread_since
    if rule is None or since is None or situation.now - since < rule.after_seconds:
        return proposal
    number = max(rule.replicas, 0)
    return proposal.limited(
        max(proposal.replicas, number),
        Reason.FALLBACK,
        f"raised to fallback.replicas {number} after {rule.after_seconds:g} s",
    )


def minimum(proposal: Proposal) -> Proposal:
    """Never fewer than minReplicas."""
    least = max(proposal.situation.rules.min_replicas, 0)
    if proposal.replicas >= least:
        return proposal
    return proposal.limited(least, Reason.MIN_REPLICAS, f"raised to minReplicas {least}")


def schedule(proposal: Proposal) -> Proposal:
    """Never fewer than an open window of the schedule asks for."""
    situation = proposal.situation
    if not situation.rules.schedule:
        return proposal
    least = floor(situation.rules.schedule, now=situation.now, lead=situation.lead_seconds)
    return proposal.limited(max(proposal.replicas, least), Reason.SCHEDULE, f"raised to {least} by scaling.schedule")


def pin(proposal: Proposal) -> Proposal:
    """spec.replicas takes the place of all that was said before."""
    pinned = proposal.situation.rules.pinned
    if pinned is None:
        return proposal
    number = max(pinned, 0)
    clause = f"pinned to {number} by spec.replicas"
    return replace(proposal, replicas=number, reason=Reason.PINNED, limited_by=None, clauses=(clause,), limits=())


def maximum(proposal: Proposal) -> Proposal:
    """Never more than maxReplicas, pinned or not."""
    most = max(proposal.situation.rules.max_replicas, 0)
    if proposal.replicas <= most:
        return proposal
    return proposal.limited(most, Reason.MAX_REPLICAS, f"limited by maxReplicas {most}")
