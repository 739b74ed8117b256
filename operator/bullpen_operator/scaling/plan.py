"""The plan: one queue as read, one Deployment as seen → one number of replicas, and why.

Nothing here reads a clock, waits or logs. What was learned comes from `rates` and `lead`, the demand from `sizing`,
then the chain of `limits` passes it on. `Decision`, `Memory` and `Rules` are re-exported for those who call `plan`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling import hindsight
from bullpen_operator.scaling import hold as holds
from bullpen_operator.scaling import lead as leads
from bullpen_operator.scaling.decision import Decision, Memory
from bullpen_operator.scaling.limits import LIMITS, QUEUE_LIMITS
from bullpen_operator.scaling.numbers import count, finite
from bullpen_operator.scaling.observation import QueueReading
from bullpen_operator.scaling.proposal import Proposal, Situation
from bullpen_operator.scaling.rates import GAP_SECONDS, updated
from bullpen_operator.scaling.rules import Rules
from bullpen_operator.scaling.sizing import Demand, Load, demand, pods_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.scaling.observation import Fleet, ReadingFailed

__all__ = ["Decision", "Memory", "Rules", "plan"]


def plan(*, rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory, now: float) -> Decision:
    """Decide how many replicas the Deployment is to have; `now` is in seconds since the epoch.

    Never raises, whatever the numbers: nonsense counts as nothing, and nothing known means nothing changes.
    """
    now = finite(now)
    known = reading if isinstance(reading, QueueReading) and reading.exists else None
    elapsed = now - memory.at if memory.at is not None and now > memory.at else 0.0
    rested = memory.idle_since
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
        elapsed=elapsed,
        replicas=count(fleet.replicas),
    )
    proposal, load, asked = _asked(reading, situation)
    for limit in QUEUE_LIMITS:
        proposal = limit(proposal)
    recommended = memory.recommended if asked is None else _recommended(memory, proposal.replicas, now)
    needs, cold = memory.needs, memory.cold
    if asked is not None and memory.rates.known:
        span, lead = holds.SPANS[-1], situation.lead_seconds + rules.tick_seconds
        needs = holds.needed(needs, _needed(situation, asked, proposal, late=0.0), now=now, span=span)
        cold = holds.needed(cold, _needed(situation, asked, proposal, late=lead), now=now, span=span)
    price = holds.price(memory.churn(now))
    import os; FORCE = os.environ.get("FORCE"); memory = replace(memory, course=int(FORCE) if FORCE else holds.cheapest(memory.courses, price=price, now=memory.course)); span = holds.SPANS[memory.course]
    situation = replace(situation, memory=memory, needs=needs, cold=cold, span=span, price=price)
    proposal = replace(proposal, situation=situation)
    for limit in LIMITS:
        proposal = limit(proposal)
    before, after = situation.replicas, proposal.replicas
    return Decision(
        from_=before,
        to=after,
        desired=after if proposal.desired is None else proposal.desired,
        reason=proposal.reason,
        limited_by=proposal.limited_by,
        limits=proposal.limits,
        message=_sentence(before, proposal),
        inputs=_inputs(load, asked, rules),
        memory=_moved(_held(situation, proposal, rested), recommended, before, after, now),
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
    clause = _explained(asked, load, rules)
    proposal = Proposal(
        situation=situation, replicas=asked.pods, reason=asked.reason, clauses=(clause,), most=math.ceil(asked.slots.work)
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
        spare=memory.spare,
        finished=finished,
        recommended=recommended,
        needs=memory.needs,
        cold=memory.cold,
        visit=memory.visit,
        course=memory.course,
        visits=memory.visits,
        courses=memory.courses,
        arrivals=hindsight.noted(
            memory.arrivals, came=rates.came, active=active, now=now, objective=rules.objective_seconds
        ),
        rates=rates,
        lead=lead,
    )


def _wasted(memory: Memory, fleet: Fleet, now: float) -> float:
    """Pod-seconds since the last decision that its recommendation did without."""
    if memory.at is None or not memory.recommended or not 0 <= now - memory.at <= GAP_SECONDS:
        return 0.0
    return max(count(fleet.replicas) - memory.recommended[-1][1], 0) * (now - memory.at)


def _needed(situation: Situation, asked: Demand, proposal: Proposal, *, late: float) -> int:
    """The pods that sufficed for the jobs that came, had they been there from `late` seconds after the first, and for
    those that keep coming.
    """
    memory, slots = situation.memory, float(asked.slots.steady)
    if memory.rates.came:
        enough = hindsight.sufficed(
            memory.arrivals,
            service=situation.service_seconds,
            objective=situation.rules.objective_seconds,
            now=situation.now,
            late=late,
        )
        slots = max(slots, enough)
    pods = max(pods_for(slots, asked.concurrency), asked.for_cpu)
    limited = replace(proposal, replicas=pods)
    for limit in QUEUE_LIMITS:
        limited = limit(limited)
    return limited.replicas


def _held(situation: Situation, proposal: Proposal, rested: float | None) -> Memory:
    """The memory with what each time to hold has cost by now."""
    memory, rules = situation.memory, situation.rules
    spans = [max(span, rules.stabilization_seconds) for span in holds.SPANS]
    warm, cold = situation.likely
    courses, left = memory.courses, min(situation.elapsed, 3600.0)
    while True:
        step = min(left, 60.0)
        left -= step
        now = situation.now - left
        found = holds.levels(situation.needs if left <= 0 else memory.needs, now=now, spans=spans)
        since = memory.idle_since if left <= 0 else rested
        if since is not None:
            if now - since >= rules.idle_seconds:
                found[0] = 0
            elif courses:
                found[0] = max(found[0], courses[0].level)
        courses = holds.followed(
            courses, found, warm=warm, cold=cold, now=now, seconds=step, settle=rules.stabilization_seconds
        )
        if left <= 0:
            break
    last = [pods[-1][1] if pods and pods[-1][0] == situation.now else 0 for pods in (situation.needs, situation.cold)]
    visit, visits = holds.visited(
        memory.visit, memory.visits, warm=last[0], cold=last[1], idle=situation.idle, now=situation.now
    )
    return replace(
        memory,
        visit=visit,
        visits=visits,
        needs=situation.needs,
        cold=situation.cold,
        spare=memory.spare + proposal.surplus * min(situation.elapsed, GAP_SECONDS),
        courses=courses,
    )


def _recommended(memory: Memory, pods: int, now: float) -> tuple[tuple[float, int], ...]:
    """The window's recommendations with this one: those before it that are no larger will never be its maximum."""
    kept = memory.recommended
    while kept and kept[-1][1] <= pods:
        kept = kept[:-1]
    return (*kept, (now, pods))


def _moved(memory: Memory, recommended: tuple[tuple[float, int], ...], before: int, after: int, now: float) -> Memory:
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
        finished=memory.finished,
        recommended=recommended,
        needs=memory.needs,
        cold=memory.cold,
        visit=memory.visit,
        course=memory.course,
        visits=memory.visits,
        courses=memory.courses,
        arrivals=memory.arrivals,
        rates=memory.rates,
        lead=lead,
    )


def _explained(asked: Demand, load: Load, rules: Rules) -> str:
    if asked.reason is Reason.IDLE:
        return "nothing waits, is due or runs" if not load.jobs else "nothing needs a pod"
    if asked.reason is Reason.QUEUE_LENGTH:
        return f"{load.waiting} waiting at {rules.queue_length} a pod (queueLength)"
    if asked.reason is Reason.WAIT_TIME:
        waited = f"{load.oldest_wait_seconds:.0f} s of {rules.wait_seconds:g} s"
        return f"the oldest job has waited {waited} (waitSeconds)"
    if asked.reason is Reason.CPU:
        return f"the workers' CPU use is above {rules.cpu_percent:g} % (cpuPercent)"
    parts = ((load.waiting, "waiting"), (load.due, "due"), (load.soon, "due soon"), (load.active, "active"))
    jobs = " + ".join(f"{number} {what}" for number, what in parts if number) or "no job"
    if asked.reason is Reason.ARRIVALS:
        jobs += f" and {load.arrivals:.3g}/s more"
    return f"{jobs} × {_span(load.service_seconds)} s, budget {_span(asked.slots.budget)} s"


def _span(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}"


def _sentence(before: int, proposal: Proposal) -> str:
    move = f"stays at {before}" if proposal.replicas == before else f"{before} → {proposal.replicas}"
    return f"{move}: " + ", ".join(proposal.clauses)


def _inputs(load: Load | None, asked: Demand | None, rules: Rules) -> Mapping[str, float]:
    """The numbers of the decision, under the names they have in the status."""
    if load is None or asked is None:
        return {"concurrency": rules.concurrency}
    return {
        "concurrency": rules.concurrency,
        "waiting": load.waiting,
        "due": load.due,
        "dueSoon": load.soon,
        "active": load.active,
        "oldestWaitSeconds": load.oldest_wait_seconds,
        "newestWaitSeconds": load.newest_wait_seconds,
        "arrivalsPerSecond": load.arrivals,
        "sustainedPerSecond": load.sustained,
        "serviceSeconds": load.service_seconds,
        "leadSeconds": load.lead_seconds,
        "budgetSeconds": asked.slots.budget,
        "slots": asked.slots.needed,
        "presentSlots": load.present,
        "deadlineSlots": asked.slots.deadline,
        "steadySlots": asked.slots.steady,
        "workSlots": asked.slots.work,
        "podsForObjective": asked.for_objective,
        "podsForQueueLength": asked.for_length,
        "podsForWaitSeconds": asked.for_wait,
        "podsForCpu": asked.for_cpu,
    }
