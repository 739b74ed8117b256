"""The plan, row by row: what is seen → the number, what it follows from, what limited it, and the sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from bullpen_operator.api.pool import ScalingPause
from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling.limits import LEAD_SECONDS, UP_SECONDS
from bullpen_operator.scaling.observation import NO_FLEET, Fleet, QueueReading, ReadingFailed
from bullpen_operator.scaling.plan import Memory, Rules, plan
from tests.unit.operator.facts import NOW, fleet, reading, rules, unreachable

IDLE_LONG = Memory(idle_since=NOW - 60, finished=0)
IDLE_SHORT = Memory(idle_since=NOW - 59, finished=0)


@dataclass(frozen=True, kw_only=True)
class Row:
    rules: Rules = field(default_factory=rules)
    reading: QueueReading | ReadingFailed = field(default_factory=reading)
    fleet: Fleet
    memory: Memory = field(default_factory=Memory)
    to: int
    reason: Reason
    limited_by: Reason | None = None
    message: str | None = None


DEMAND = {
    "one job starts one pod": Row(
        reading=reading(waiting=1), fleet=NO_FLEET, to=1, reason=Reason.BACKLOG, message="0 → 1: 1 waiting at 10 a pod"
    ),
    "waiting, due and active jobs each get a slot": Row(
        reading=reading(waiting=18, due=2, active=11),
        fleet=fleet(2),
        to=4,
        reason=Reason.BACKLOG,
        message="2 → 4: 18 waiting + 2 due + 11 active at 10 a pod",
    ),
    "the maximum limits the demand": Row(
        reading=reading(waiting=68, due=3),
        fleet=fleet(0),
        to=7,
        reason=Reason.BACKLOG,
        limited_by=Reason.MAX_REPLICAS,
        message="0 → 7: 68 waiting + 3 due at 10 a pod, limited by maxReplicas 7",
    ),
    "delayed jobs that are not due need no pod": Row(
        reading=reading(delayed=500, next_due_at=NOW + 3600), fleet=fleet(0), to=0, reason=Reason.IDLE
    ),
    "a long queue asks for more than slots when pods are big": Row(
        rules=rules(concurrency=1000),
        reading=reading(waiting=350),
        fleet=fleet(1),
        to=4,
        reason=Reason.QUEUE_LENGTH,
        message="1 → 4: 350 waiting at 100 a pod (queueLength)",
    ),
    "a queue at its length threshold is not long": Row(
        rules=rules(concurrency=1000), reading=reading(waiting=100), fleet=fleet(1), to=1, reason=Reason.BACKLOG
    ),
    "a long wait grows the pool in proportion": Row(
        rules=rules(concurrency=100),
        reading=reading(waiting=90, oldest_wait_seconds=90),
        fleet=fleet(4),
        to=6,
        reason=Reason.WAIT_TIME,
        message="4 → 6: the oldest job has waited 90 s of 60 s (waitSeconds)",
    ),
    "a very long wait at most doubles it": Row(
        rules=rules(concurrency=100),
        reading=reading(waiting=90, oldest_wait_seconds=1e6),
        fleet=fleet(3),
        to=6,
        reason=Reason.WAIT_TIME,
    ),
    "a long wait asks for no more pods than jobs": Row(
        reading=reading(waiting=2, active=3, oldest_wait_seconds=600),
        fleet=fleet(5),
        to=5,
        reason=Reason.WAIT_TIME,
    ),
    "a wait at its threshold is not long": Row(
        rules=rules(concurrency=100),
        reading=reading(waiting=90, oldest_wait_seconds=60),
        fleet=fleet(1),
        to=1,
        reason=Reason.BACKLOG,
    ),
}

QUEUE = {
    "a paused queue starts no pod": Row(
        reading=reading(waiting=500, paused=True),
        fleet=fleet(0),
        to=0,
        reason=Reason.BACKLOG,
        limited_by=Reason.QUEUE_PAUSED,
        message="stays at 0: 500 waiting at 10 a pod, but the queue is paused",
    ),
    "a paused queue keeps pods for what runs": Row(
        reading=reading(waiting=500, active=20, paused=True),
        fleet=fleet(2),
        to=2,
        reason=Reason.BACKLOG,
        limited_by=Reason.QUEUE_PAUSED,
    ),
    "a paused queue without running jobs goes to zero": Row(
        reading=reading(waiting=500, paused=True),
        fleet=fleet(5),
        memory=IDLE_LONG,
        to=0,
        reason=Reason.BACKLOG,
        limited_by=Reason.QUEUE_PAUSED,
    ),
    "the queue's own concurrency makes more pods useless": Row(
        reading=reading(waiting=500, global_concurrency=25),
        fleet=fleet(0),
        to=3,
        reason=Reason.BACKLOG,
        limited_by=Reason.GLOBAL_CONCURRENCY,
        message="0 → 3: 500 waiting at 10 a pod, limited by the queue's own concurrency 25",
    ),
    "an unreachable Redis changes nothing": Row(
        reading=unreachable(),
        fleet=fleet(5),
        memory=IDLE_LONG,
        to=5,
        reason=Reason.UNREACHABLE,
        message="stays at 5: Redis at redis:6379 does not answer",
    ),
    "an unreachable Redis does not stop the minimum": Row(
        rules=rules(min_replicas=2),
        reading=unreachable(Reason.SECRET_MISSING),
        fleet=NO_FLEET,
        to=2,
        reason=Reason.SECRET_MISSING,
        limited_by=Reason.MIN_REPLICAS,
    ),
    "an unreachable Redis holds against a lowered maximum": Row(
        rules=rules(max_replicas=3), reading=unreachable(), fleet=fleet(5), to=5, reason=Reason.UNREACHABLE,
        limited_by=Reason.UNREACHABLE,
    ),
    "a queue that does not exist is not an empty one": Row(
        reading=reading(exists=False),
        fleet=fleet(4),
        memory=IDLE_LONG,
        to=4,
        reason=Reason.QUEUE_NOT_FOUND,
        message="stays at 4: the queue does not exist: its name or prefix is wrong, or no job was added yet",
    ),
}  # fmt: skip

BOUNDS = {
    "the minimum is kept without a job": Row(
        rules=rules(min_replicas=2),
        fleet=NO_FLEET,
        to=2,
        reason=Reason.IDLE,
        limited_by=Reason.MIN_REPLICAS,
        message="0 → 2: nothing waits, is due or runs, raised to minReplicas 2",
    ),
    "a pin takes the place of the demand": Row(
        rules=rules(pinned=3),
        reading=reading(waiting=500),
        fleet=fleet(1),
        to=3,
        reason=Reason.PINNED,
        message="1 → 3: pinned to 3 by spec.replicas",
    ),
    "a pin overrides the minimum": Row(
        rules=rules(pinned=1, min_replicas=4), fleet=fleet(0), to=1, reason=Reason.PINNED
    ),
    "a pin never overrides the maximum": Row(
        rules=rules(pinned=9), fleet=fleet(0), to=7, reason=Reason.PINNED, limited_by=Reason.MAX_REPLICAS
    ),
    "a pin overrides a pause": Row(
        rules=rules(pinned=3, paused=ScalingPause.BOTH), fleet=fleet(0), to=3, reason=Reason.PINNED
    ),
    "a pin needs no Redis to grow": Row(
        rules=rules(pinned=3), reading=unreachable(), fleet=fleet(0), to=3, reason=Reason.PINNED
    ),
    "a pin to fewer pods waits for drain": Row(
        rules=rules(pinned=2), fleet=fleet(5), memory=IDLE_LONG, to=5, reason=Reason.PINNED,
        limited_by=Reason.AWAITING_DRAIN,
    ),
    "a pin to zero acts as soon as the queue is idle": Row(
        rules=rules(pinned=0), fleet=fleet(5), to=0, reason=Reason.PINNED
    ),
    "a pin to zero waits for running jobs": Row(
        rules=rules(pinned=0), reading=reading(active=1), fleet=fleet(5), to=5, reason=Reason.PINNED,
        limited_by=Reason.BUSY, message="stays at 5: pinned to 0 by spec.replicas, but 1 still run",
    ),
    "a pin to zero waits for waiting jobs": Row(
        rules=rules(pinned=0), reading=reading(waiting=1), fleet=fleet(5), to=5, reason=Reason.PINNED,
        limited_by=Reason.BACKLOG,
    ),
    "a pin to zero waits for Redis": Row(
        rules=rules(pinned=0), reading=unreachable(), fleet=fleet(5), to=5, reason=Reason.PINNED,
        limited_by=Reason.UNREACHABLE,
    ),
    "a pin to zero waits for no delayed job": Row(
        rules=rules(pinned=0), reading=reading(delayed=1, next_due_at=NOW + 1), fleet=fleet(5), to=0,
        reason=Reason.PINNED,
    ),
    "paused Out does not grow": Row(
        rules=rules(paused=ScalingPause.OUT), reading=reading(waiting=50), fleet=fleet(1), to=1,
        reason=Reason.BACKLOG, limited_by=Reason.PAUSED,
        message="stays at 1: 50 waiting at 10 a pod, but scaling.paused is Out",
    ),
    "paused Out does not grow even to the minimum": Row(
        rules=rules(paused=ScalingPause.OUT, min_replicas=2), fleet=fleet(0), to=0, reason=Reason.IDLE,
        limited_by=Reason.PAUSED,
    ),
    "paused Out goes to zero": Row(
        rules=rules(paused=ScalingPause.OUT), fleet=fleet(3), memory=IDLE_LONG, to=0, reason=Reason.IDLE
    ),
    "paused In grows": Row(
        rules=rules(paused=ScalingPause.IN), reading=reading(waiting=50), fleet=fleet(1), to=5, reason=Reason.BACKLOG
    ),
    "paused In does not go to zero": Row(
        rules=rules(paused=ScalingPause.IN), fleet=fleet(3), memory=IDLE_LONG, to=3, reason=Reason.IDLE,
        limited_by=Reason.PAUSED,
    ),
    "paused Both does not move": Row(
        rules=rules(paused=ScalingPause.BOTH), reading=reading(waiting=50), fleet=fleet(1), to=1,
        reason=Reason.BACKLOG, limited_by=Reason.PAUSED,
    ),
}  # fmt: skip

MOVING = {
    "the first pods come at once": Row(
        reading=reading(waiting=50), fleet=fleet(0), memory=Memory(grown_at=NOW - 1), to=5, reason=Reason.BACKLOG
    ),
    "the next step up waits": Row(
        reading=reading(waiting=50), fleet=fleet(2), memory=Memory(grown_at=NOW - UP_SECONDS + 0.1), to=2,
        reason=Reason.BACKLOG, limited_by=Reason.RATE_LIMIT,
        message="stays at 2: 50 waiting at 10 a pod, but the pool grew less than 6 s ago",
    ),
    "the next step up comes in its time": Row(
        reading=reading(waiting=50), fleet=fleet(2), memory=Memory(grown_at=NOW - UP_SECONDS), to=5,
        reason=Reason.BACKLOG,
    ),
    "a step taken in the future holds nothing up": Row(
        reading=reading(waiting=50), fleet=fleet(2), memory=Memory(grown_at=NOW + 3600), to=5, reason=Reason.BACKLOG
    ),
    "a rollout may grow": Row(
        reading=reading(waiting=50), fleet=fleet(2, rolling=True), to=5, reason=Reason.BACKLOG
    ),
    "a rollout does not shrink": Row(
        fleet=fleet(2, rolling=True), memory=IDLE_LONG, to=2, reason=Reason.IDLE,
        limited_by=Reason.ROLLOUT_IN_PROGRESS,
    ),
    "a change that nobody has seen yet counts as a rollout": Row(
        fleet=fleet(2, observed=False), memory=IDLE_LONG, to=2, reason=Reason.IDLE,
        limited_by=Reason.ROLLOUT_IN_PROGRESS,
    ),
    "a rollout that gave up freezes nothing": Row(
        fleet=fleet(2, rolling=True, stalled=True), memory=IDLE_LONG, to=0, reason=Reason.IDLE
    ),
    "fewer pods than there are wait for drain": Row(
        reading=reading(active=12), fleet=fleet(5), to=5, reason=Reason.BACKLOG, limited_by=Reason.AWAITING_DRAIN,
        message="stays at 5: 12 active at 10 a pod, so 2 would do, "
        "but the pool shrinks only to zero, when nothing runs",
    ),
    "a lowered maximum waits for drain": Row(
        rules=rules(max_replicas=3), reading=reading(waiting=90), fleet=fleet(5), to=5, reason=Reason.BACKLOG,
        limited_by=Reason.AWAITING_DRAIN,
    ),
    "an idle pool with a minimum waits for drain": Row(
        rules=rules(min_replicas=1), fleet=fleet(5), memory=IDLE_LONG, to=5, reason=Reason.IDLE,
        limited_by=Reason.AWAITING_DRAIN,
    ),
    "idle for long goes to zero": Row(
        fleet=fleet(5), memory=IDLE_LONG, to=0, reason=Reason.IDLE, message="5 → 0: nothing waits, is due or runs"
    ),
    "idle for a moment stays": Row(
        fleet=fleet(5), memory=IDLE_SHORT, to=5, reason=Reason.IDLE, limited_by=Reason.IDLE_WINDOW,
        message="stays at 5: nothing waits, is due or runs, but not for 60 s yet",
    ),
    "idle for the first time stays": Row(
        fleet=fleet(5), to=5, reason=Reason.IDLE, limited_by=Reason.IDLE_WINDOW
    ),
    "without an idle time it goes to zero at once": Row(
        rules=rules(idle_seconds=0), fleet=fleet(5), to=0, reason=Reason.IDLE
    ),
    "jobs that came and went between two looks keep the pods": Row(
        reading=reading(completed=1), fleet=fleet(5), memory=IDLE_LONG, to=5, reason=Reason.IDLE,
        limited_by=Reason.IDLE_WINDOW,
    ),
    "a clock that was set back starts the idle time again": Row(
        fleet=fleet(5), memory=Memory(idle_since=NOW + 3600, finished=0), to=5, reason=Reason.IDLE,
        limited_by=Reason.IDLE_WINDOW,
    ),
    "a job that is due soon keeps the pods": Row(
        reading=reading(delayed=1, next_due_at=NOW + LEAD_SECONDS), fleet=fleet(5), memory=IDLE_LONG, to=5,
        reason=Reason.IDLE, limited_by=Reason.NEXT_JOB_DUE,
    ),
    "a job that is due later does not": Row(
        reading=reading(delayed=1, next_due_at=NOW + LEAD_SECONDS + 0.1), fleet=fleet(5), memory=IDLE_LONG, to=0,
        reason=Reason.IDLE,
    ),
    "a Deployment that is gone is made again": Row(
        reading=reading(waiting=1), fleet=NO_FLEET, memory=Memory(grown_at=NOW - 1), to=1, reason=Reason.BACKLOG
    ),
}  # fmt: skip

TABLE = DEMAND | QUEUE | BOUNDS | MOVING


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_decides(row: Row) -> None:
    decision = plan(rules=row.rules, reading=row.reading, fleet=row.fleet, memory=row.memory, now=NOW)

    assert (decision.from_, decision.to) == (row.fleet.replicas, row.to)
    assert (decision.reason, decision.limited_by) == (row.reason, row.limited_by)
    if row.message is not None:
        assert decision.message == row.message


def decide(memory: Memory, now: float, pods: int = 2, **known: Any) -> Memory:
    return plan(rules=rules(), reading=reading(**known), fleet=fleet(pods), memory=memory, now=now).memory


def test_remembers_since_when_the_queue_is_idle() -> None:
    first = decide(Memory(), NOW)
    later = decide(first, NOW + 5)

    assert first.idle_since == later.idle_since == NOW


@pytest.mark.parametrize("known", [{"waiting": 1}, {"due": 1}, {"active": 1}], ids=str)
def test_forgets_the_idle_time_with_the_next_job(known: dict[str, int]) -> None:
    assert decide(decide(Memory(), NOW), NOW + 5, **known).idle_since is None


def test_a_gap_in_the_readings_ends_the_idle_time() -> None:
    before = decide(Memory(), NOW)
    gap = plan(rules=rules(), reading=unreachable(), fleet=fleet(2), memory=before, now=NOW + 5).memory
    after = decide(gap, NOW + 100)

    assert gap.idle_since is None
    assert after.idle_since == NOW + 100


def test_remembers_a_step_up_and_no_other() -> None:
    grown = decide(Memory(), NOW, waiting=50)
    assert grown.grown_at == NOW
    assert decide(grown, NOW + 50, waiting=20).grown_at == NOW


def test_a_decision_tells_its_inputs() -> None:
    seen = reading(waiting=350, due=2, active=3, oldest_wait_seconds=90)
    decision = plan(rules=rules(), reading=seen, fleet=fleet(4), memory=Memory(), now=NOW)

    assert decision.inputs == {
        "concurrency": 10,
        "waiting": 350,
        "due": 2,
        "active": 3,
        "oldestWaitSeconds": 90,
        "podsForWork": 36,
        "podsForQueueLength": 4,
        "podsForWaitSeconds": 6,
    }


def test_a_limit_that_agrees_with_the_demand_is_not_named() -> None:
    decision = plan(rules=rules(), reading=reading(waiting=70), fleet=fleet(0), memory=Memory(), now=NOW)

    assert (decision.to, decision.limited_by) == (7, None)
