"""The plan: one queue as read, one Deployment as seen → one number of replicas, and why.

Nothing here reads a clock, waits or logs. What was learned comes from `rates` and `lead`, the demand from `sizing`,
then the chain of `limits` passes it on. `Decision`, `Memory` and `Rules` are re-exported for those who call `plan`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling import hindsight, hold
from bullpen_operator.scaling import lead as leads
from bullpen_operator.scaling import past as pasts
from bullpen_operator.scaling.decision import Decision, Memory
from bullpen_operator.scaling.explanation import explained, inputs, sentence
from bullpen_operator.scaling.limits import DEMAND_LIMITS, LIMITS, QUEUE_LIMITS
from bullpen_operator.scaling.numbers import count, finite
from bullpen_operator.scaling.observation import QueueReading
from bullpen_operator.scaling.proposal import Proposal, Situation
from bullpen_operator.scaling.rates import GAP_SECONDS, updated
from bullpen_operator.scaling.rules import Rules
from bullpen_operator.scaling.sizing import Demand, Load, demand, pods_for

if TYPE_CHECKING:
    from bullpen_operator.scaling.observation import Fleet, ReadingFailed

__all__ = ["Decision", "Memory", "Rules", "plan"]


def plan(*, rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory, now: float) -> Decision:
    """Decide how many replicas the Deployment is to have; `now` is in seconds since the epoch.

    Never raises, whatever the numbers: nonsense counts as nothing, and nothing known means nothing changes.
    """
    now = finite(now)
    known = reading if isinstance(reading, QueueReading) and reading.exists else None
    before = memory
    memory = _remembered(memory, rules, known, fleet, now)
    if not isinstance(reading, QueueReading):
        memory = replace(memory, unread_since=now if memory.unread_since is None else memory.unread_since)
    situation = Situation(
        rules=rules,
        reading=known,
        unknown=_unknown(reading),
        fleet=fleet,
        memory=memory,
        service_seconds=memory.rates.service_seconds(rules.expected_job_seconds),
        lead_seconds=memory.lead.seconds(rules.lead_seconds),
        now=now,
        replicas=count(fleet.replicas),
        price=hold.price(memory.churn(now)),
    )
    proposal, load, asked = _asked(reading, situation)
    if asked is not None:
        memory = replace(memory, past=_past(before, proposal, asked))
        situation = replace(situation, memory=memory)
        proposal = replace(proposal, situation=situation)
    for limit in DEMAND_LIMITS:
        proposal = limit(proposal)
    recommended = memory.recommended if asked is None else _recommended(memory, proposal.replicas, now)
    for limit in LIMITS:
        proposal = limit(proposal)
    replicas, after = situation.replicas, proposal.replicas
    return Decision(
        from_=replicas,
        to=after,
        desired=after if proposal.desired is None else proposal.desired,
        reason=proposal.reason,
        limited_by=proposal.limited_by,
        limits=proposal.limits,
        message=sentence(replicas, proposal),
        inputs=inputs(load, asked, rules),
        memory=_moved(memory, recommended, proposal, now),
    )


def _unknown(reading: QueueReading | ReadingFailed) -> Reason | None:
    if not isinstance(reading, QueueReading):
        return reading.reason
    return None if reading.exists else Reason.QUEUE_NOT_FOUND


def _asked(reading: QueueReading | ReadingFailed, situation: Situation) -> tuple[Proposal, Load | None, Demand | None]:
    """What is asked for before any limit: the demand, or what there is while the queue is unknown."""
    replicas, rules = situation.replicas, situation.rules
    if not isinstance(reading, QueueReading):
        clause = reading.message.rstrip(". ")
        held = Proposal(situation=situation, replicas=replicas, reason=reading.reason, clauses=(clause,))
        return held, None, None
    if situation.reading is None:
        clause = "the queue does not exist: its name or prefix is wrong, or no job was added yet"
        held = Proposal(situation=situation, replicas=replicas, reason=Reason.QUEUE_NOT_FOUND, clauses=(clause,))
        return held, None, None
    load = Load.of(
        reading,
        arrivals=situation.memory.rates.arrivals,
        sustained=situation.memory.rates.sustained,
        present=count(situation.fleet.ready) * rules.concurrency,
        service=situation.service_seconds,
        lead=situation.lead_seconds,
        tick=rules.tick_seconds,
    )
    if not load.jobs and situation.idle:
        load = replace(
            load, arrivals=0.0, sustained=0.0
        )  # after idleSeconds without a job, what came before is no sign of more
    fleet = situation.fleet
    asked = demand(load=load, rules=rules, replicas=replicas, ready=count(fleet.ready), cpu_use=fleet.cpu_use)
    clause = explained(asked, load, rules)
    proposal = Proposal(
        situation=situation,
        replicas=asked.pods,
        reason=asked.reason,
        clauses=(clause,),
        most=math.ceil(asked.slots.work) if load.jobs else 0,
    )
    return proposal, load, asked


def _remembered(memory: Memory, rules: Rules, reading: QueueReading | None, fleet: Fleet, now: float) -> Memory:
    """The memory with this reading in it: what was learned, and idle since when, if the queue is idle now.

    A gap in the readings ends the idle time, as does a job that came and went between two of them, and a
    clock that was set back.
    """
    since = memory.since if memory.since is not None and memory.since <= now else now
    outage = memory.unread_since
    if reading is not None and outage is not None and now - outage >= rules.stabilization_seconds:
        since = now  # what was needed meanwhile nobody saw
    lead = leads.seen(memory.lead, ready=fleet.ready, now=now)
    oldest = now - max(rules.stabilization_seconds, 0)
    recommended = memory.recommended
    if recommended and not (oldest < recommended[0][0] and recommended[-1][0] <= now):
        recommended = tuple(entry for entry in recommended if oldest < entry[0] <= now)
    if reading is None:
        return replace(memory, since=since, lead=lead, idle_since=None, finished=None, recommended=recommended)
    finished = count(reading.completed) + count(reading.failed) + count(reading.finished)
    active = count(reading.active)
    idle = not active and (reading.paused or not (count(reading.waiting) or count(reading.due)))
    rates = updated(memory.rates, reading, expected=rules.expected_job_seconds)
    idle_since = memory.idle_since
    if idle_since is None or not idle_since <= now or memory.finished != finished:
        idle_since = now
    return Memory(
        since=since,
        idle_since=idle_since if idle else None,
        grown_at=memory.grown_at,
        shrunk_at=memory.shrunk_at,
        writes=memory.writes,
        written_at=memory.written_at,
        at=now,
        spare=memory.spare + memory.surplus * min(_since(memory.at, now), GAP_SECONDS),
        finished=finished,
        recommended=recommended,
        past=replace(
            memory.past,
            arrivals=hindsight.noted(
                memory.past.arrivals, came=rates.came, active=active, now=now, objective=rules.objective_seconds
            ),
        ),
        rates=rates,
        lead=lead,
    )


def _since(at: float | None, now: float) -> float:
    return now - at if at is not None and now > at else 0.0


def _past(before: Memory, proposal: Proposal, asked: Demand) -> pasts.Past:
    """The past with this reading in it."""
    situation = proposal.situation
    memory, rules, warm, cold = situation.memory, situation.rules, None, 0
    if memory.rates.known:
        warm = _needed(proposal, asked, late=0.0)
        cold = _needed(proposal, asked, late=situation.lead_seconds + rules.tick_seconds)
        if asked.pods > situation.replicas > 0 and situation.fleet.ready >= situation.replicas:
            cold = max(cold, asked.pods)
            came = memory.past.came_at
            if came is not None and (memory.grown_at is None or memory.grown_at < came):
                warm = max(warm, asked.pods)
    look = pasts.Look(
        now=situation.now,
        elapsed=_since(before.at, situation.now),
        rested=before.idle_since,
        rests=memory.idle_since,
        warm=warm,
        cold=cold,
        price=situation.price,
    )
    return pasts.seen(memory.past, look, rules)


def _needed(proposal: Proposal, asked: Demand, *, late: float) -> int:
    """The pods that sufficed for the jobs that came, and for those that keep coming, there from `late` seconds on."""
    situation, slots = proposal.situation, float(asked.slots.steady)
    if situation.memory.rates.came:
        enough = hindsight.sufficed(
            situation.memory.past.arrivals,
            service=situation.service_seconds,
            objective=situation.rules.objective_seconds,
            now=situation.now,
            late=late,
        )
        slots = max(slots, enough)
    pods = max(pods_for(slots, asked.concurrency), asked.for_cpu)
    limited = replace(proposal, replicas=min(pods, max(situation.rules.max_replicas, 0)))
    for limit in QUEUE_LIMITS:
        limited = limit(limited)
    return limited.replicas


def _recommended(memory: Memory, pods: int, now: float) -> tuple[tuple[float, int], ...]:
    """The window's recommendations with this one: those before it that are no larger will never be its maximum."""
    kept = memory.recommended
    while kept and kept[-1][1] <= pods:
        kept = kept[:-1]
    return (*kept, (now, pods))


def _moved(memory: Memory, recommended: tuple[tuple[float, int], ...], proposal: Proposal, now: float) -> Memory:
    before, after = proposal.situation.replicas, proposal.replicas
    grown_at, shrunk_at, lead = memory.grown_at, memory.shrunk_at, memory.lead
    if after > before:
        grown_at, lead = now, leads.asked(lead, pods=after - before, now=now)
    elif after < before:
        shrunk_at, lead = now, leads.shrunk(lead)
    changed = after != before
    return Memory(
        since=memory.since,
        idle_since=memory.idle_since,
        unread_since=memory.unread_since,
        grown_at=grown_at,
        shrunk_at=shrunk_at,
        writes=memory.churn(now) + 1 if changed else memory.writes,
        written_at=now if changed else memory.written_at,
        at=memory.at,
        spare=0.0 if changed else memory.spare,
        surplus=0 if changed else proposal.surplus,
        finished=memory.finished,
        recommended=recommended,
        past=memory.past,
        rates=memory.rates,
        lead=lead,
    )
