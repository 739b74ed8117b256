"""The plan: one queue as read, one Deployment as seen → one number of replicas, and why.

Nothing here reads a clock, waits or logs. The demand comes from `sizing`, then the chain of `limits` passes
it on. `Decision`, `Memory` and `Rules` are re-exported for those who call `plan`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling.decision import Decision, Memory
from bullpen_operator.scaling.limits import LIMITS, Proposal, Situation
from bullpen_operator.scaling.observation import QueueReading
from bullpen_operator.scaling.rules import Rules
from bullpen_operator.scaling.sizing import Demand, Load, count, demand

if TYPE_CHECKING:
    from bullpen_operator.scaling.observation import Fleet, ReadingFailed

__all__ = ["Decision", "Memory", "Rules", "plan"]


def plan(*, rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory, now: float) -> Decision:
    """Decide how many replicas the Deployment is to have; `now` is in seconds since the epoch.

    Never raises, whatever the numbers: nonsense counts as nothing, and nothing known means nothing changes.
    """
    known = reading if isinstance(reading, QueueReading) and reading.exists else None
    situation = Situation(
        rules=rules,
        reading=known,
        unknown=_unknown(reading),
        fleet=fleet,
        memory=_remembered(memory, known, now),
        now=now,
    )
    proposal, asked = _asked(reading, situation)
    for limit in LIMITS:
        proposal = limit(proposal)
    before, after = situation.replicas, proposal.replicas
    return Decision(
        from_=before,
        to=after,
        reason=proposal.reason,
        limited_by=proposal.limited_by,
        message=_sentence(before, proposal),
        inputs=_inputs(known, rules, asked),
        memory=Memory(
            idle_since=situation.memory.idle_since,
            grown_at=now if after > before else memory.grown_at,
            finished=situation.memory.finished,
        ),
    )


def _unknown(reading: QueueReading | ReadingFailed) -> Reason | None:
    if not isinstance(reading, QueueReading):
        return reading.reason
    return None if reading.exists else Reason.QUEUE_NOT_FOUND


def _asked(reading: QueueReading | ReadingFailed, situation: Situation) -> tuple[Proposal, Demand | None]:
    """What is asked for before any limit: the demand, or what there is while the queue is unknown."""
    replicas = situation.replicas
    if not isinstance(reading, QueueReading):
        clause = reading.message.rstrip(". ")
        return Proposal(situation=situation, replicas=replicas, reason=reading.reason, clauses=(clause,)), None
    if situation.reading is None:
        clause = "the queue does not exist: its name or prefix is wrong, or no job was added yet"
        held = Proposal(situation=situation, replicas=replicas, reason=Reason.QUEUE_NOT_FOUND, clauses=(clause,))
        return held, None
    load = Load.of(reading)
    asked = demand(load=load, rules=situation.rules, replicas=replicas)
    clause = _explained(asked, load, situation.rules)
    return Proposal(situation=situation, replicas=asked.pods, reason=asked.reason, clauses=(clause,)), asked


def _remembered(memory: Memory, reading: QueueReading | None, now: float) -> Memory:
    """The memory with this reading in it: idle since when, if it is idle now.

    A gap in the readings ends the idle time, as does a job that came and went between two of them, and a
    clock that was set back.
    """
    if reading is None:
        return Memory(grown_at=memory.grown_at)
    finished = count(reading.completed) + count(reading.failed)
    load = Load.of(reading)
    idle = load.active == 0 and (reading.paused or load.jobs == 0)
    since = memory.idle_since
    if since is None or not since <= now or memory.finished != finished:
        since = now
    return Memory(idle_since=since if idle else None, grown_at=memory.grown_at, finished=finished)


def _explained(asked: Demand, load: Load, rules: Rules) -> str:
    if asked.reason is Reason.IDLE:
        return "nothing waits, is due or runs"
    if asked.reason is Reason.QUEUE_LENGTH:
        return f"{load.waiting} waiting at {rules.queue_length} a pod (queueLength)"
    if asked.reason is Reason.WAIT_TIME:
        waited = f"{load.oldest_wait_seconds:.0f} s of {rules.wait_seconds:g} s"
        return f"the oldest job has waited {waited} (waitSeconds)"
    parts = ((load.waiting, "waiting"), (load.due, "due"), (load.active, "active"))
    jobs = " + ".join(f"{number} {what}" for number, what in parts if number)
    return f"{jobs} at {rules.concurrency} a pod"


def _sentence(before: int, proposal: Proposal) -> str:
    move = f"stays at {before}" if proposal.replicas == before else f"{before} → {proposal.replicas}"
    return f"{move}: " + ", ".join(proposal.clauses)


def _inputs(reading: QueueReading | None, rules: Rules, asked: Demand | None) -> dict[str, float]:
    """The numbers of the decision, under the names they have in the status."""
    inputs: dict[str, float] = {"concurrency": rules.concurrency}
    if reading is not None and asked is not None:
        load = Load.of(reading)
        inputs |= {
            "waiting": load.waiting,
            "due": load.due,
            "active": load.active,
            "oldestWaitSeconds": load.oldest_wait_seconds,
            "podsForWork": asked.for_work,
            "podsForQueueLength": asked.for_length,
            "podsForWaitSeconds": asked.for_wait,
        }
    return inputs
