"""The plan, row by row: what is seen → the number, what it follows from, what limited it, and the sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from bullpen_operator.api.reasons import Reason
from bullpen_operator.api.scaling import ScalingPause
from bullpen_operator.scaling.hold import CHANGE_PRICE, CHANGES_AN_HOUR
from bullpen_operator.scaling.lead import Lead
from bullpen_operator.scaling.limits import DOWN_SECONDS, UP_SECONDS
from bullpen_operator.scaling.observation import NO_FLEET, Fleet, QueueReading, ReadingFailed
from bullpen_operator.scaling.plan import Memory, Rules, plan
from bullpen_operator.scaling.rates import Rates
from bullpen_operator.scaling.rules import LEAD_SECONDS, Fallback
from bullpen_operator.scaling.schedule import Window
from tests.unit.operator.facts import NOW, fleet, reading, rules, unreachable

SETTLED: dict[str, Any] = {"since": NOW - 1000}
IDLE_LONG = Memory(idle_since=NOW - 60, finished=0, **SETTLED)
IDLE_SHORT = Memory(idle_since=NOW - 59, finished=0, **SETTLED)


@dataclass(frozen=True, kw_only=True)
class Row:
    rules: Rules = field(default_factory=rules)
    reading: QueueReading | ReadingFailed = field(default_factory=reading)
    fleet: Fleet
    memory: Memory = field(default_factory=lambda: Memory(**SETTLED))
    to: int
    reason: Reason
    limited_by: Reason | None = None
    message: str | None = None


def long(**set_: Any) -> Rules:
    """Jobs so long that each needs a slot of its own: no slot is free again within the objective."""
    return rules(expected_job_seconds=500_000, **set_)


DEMAND = {
    "one job starts one pod": Row(
        reading=reading(waiting=1),
        fleet=NO_FLEET,
        to=1,
        reason=Reason.BACKLOG,
        message="0 → 1: 1 waiting × 1 s, budget 19 s",
    ),
    "waiting, due and active long jobs each get a slot": Row(
        rules=long(),
        reading=reading(waiting=18, due=2, active=11),
        fleet=fleet(2),
        to=4,
        reason=Reason.BACKLOG,
        message="2 → 4: 18 waiting + 2 due + 11 active × 500000 s, budget 19 s",
    ),
    "short jobs share a slot as long as the objective allows": Row(
        rules=rules(concurrency=1),
        reading=reading(waiting=100),
        fleet=fleet(2),
        to=5,
        reason=Reason.BACKLOG,
        message="2 → 5: 100 waiting × 1 s, budget 19 s",
    ),
    "a job that is late leaves the others less time": Row(
        rules=rules(concurrency=1, max_replicas=50),
        reading=reading(waiting=100, oldest_wait_seconds=20),
        fleet=fleet(2),
        to=16,
        reason=Reason.BACKLOG,
        message="2 → 16: 100 waiting × 1 s, budget 5 s",
    ),
    "the maximum limits the demand": Row(
        rules=long(),
        reading=reading(waiting=68, due=3),
        fleet=fleet(0),
        to=7,
        reason=Reason.BACKLOG,
        limited_by=Reason.MAX_REPLICAS,
        message="0 → 7: 68 waiting + 3 due × 500000 s, budget 19 s, limited by maxReplicas 7",
    ),
    "jobs that are due before pods could start are work": Row(
        rules=long(),
        reading=reading(delayed=500, due_within=(0, 21, 30, 500, 500, 500, 500), next_due_at=NOW + 6),
        fleet=fleet(0),
        to=3,
        reason=Reason.BACKLOG,
        message="0 → 3: 30 due soon × 500000 s, budget 19 s",
    ),
    "steady arrivals keep the pods that they need": Row(
        reading=reading(),
        memory=Memory(**SETTLED, rates=Rates(slow=10, fast=10, exposure=3000, completions=1000)),
        fleet=fleet(1),
        to=4,
        reason=Reason.ARRIVALS,
        message="1 → 4: no job and 10/s more × 2.99 s, budget 19 s",
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
        rules=long(),
        reading=reading(waiting=500, paused=True),
        fleet=fleet(0),
        to=0,
        reason=Reason.BACKLOG,
        limited_by=Reason.QUEUE_PAUSED,
        message="stays at 0: 500 waiting × 500000 s, budget 19 s, but the queue is paused",
    ),
    "a paused queue keeps pods for what runs": Row(
        rules=long(),
        reading=reading(waiting=500, active=20, paused=True),
        fleet=fleet(2),
        to=2,
        reason=Reason.BACKLOG,
        limited_by=Reason.QUEUE_PAUSED,
    ),
    "a paused queue without running jobs goes to zero": Row(
        rules=long(),
        reading=reading(waiting=500, paused=True),
        fleet=fleet(5),
        memory=IDLE_LONG,
        to=0,
        reason=Reason.BACKLOG,
        limited_by=Reason.QUEUE_PAUSED,
    ),
    "the queue's own concurrency makes more pods useless": Row(
        rules=long(),
        reading=reading(waiting=500, global_concurrency=25),
        fleet=fleet(0),
        to=3,
        reason=Reason.BACKLOG,
        limited_by=Reason.GLOBAL_CONCURRENCY,
        message="0 → 3: 500 waiting × 500000 s, budget 19 s, limited by the queue's own concurrency 25",
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
        rules=long(paused=ScalingPause.OUT), reading=reading(waiting=50), fleet=fleet(1), to=1,
        reason=Reason.BACKLOG, limited_by=Reason.PAUSED,
        message="stays at 1: 50 waiting × 500000 s, budget 19 s, but scaling.paused is Out",
    ),
    "paused Out does not grow even to the minimum": Row(
        rules=rules(paused=ScalingPause.OUT, min_replicas=2), fleet=fleet(0), to=0, reason=Reason.IDLE,
        limited_by=Reason.PAUSED,
    ),
    "paused Out goes to zero": Row(
        rules=rules(paused=ScalingPause.OUT), fleet=fleet(3), memory=IDLE_LONG, to=0, reason=Reason.IDLE
    ),
    "paused In grows": Row(
        rules=long(paused=ScalingPause.IN), reading=reading(waiting=50), fleet=fleet(1), to=5, reason=Reason.BACKLOG
    ),
    "paused In does not go to zero": Row(
        rules=rules(paused=ScalingPause.IN), fleet=fleet(3), memory=IDLE_LONG, to=3, reason=Reason.IDLE,
        limited_by=Reason.PAUSED,
    ),
    "paused Both does not move": Row(
        rules=long(paused=ScalingPause.BOTH), reading=reading(waiting=50), fleet=fleet(1), to=1,
        reason=Reason.BACKLOG, limited_by=Reason.PAUSED,
    ),
}  # fmt: skip

MOVING = {
    "the first pods come at once": Row(
        rules=long(),
        reading=reading(waiting=50),
        fleet=fleet(0),
        memory=Memory(**SETTLED, grown_at=NOW - 1),
        to=5,
        reason=Reason.BACKLOG,
    ),
    "the next step up waits": Row(
        rules=long(),
        reading=reading(waiting=50),
        fleet=fleet(2),
        memory=Memory(**SETTLED, grown_at=NOW - LEAD_SECONDS + 0.1),
        to=2,
        reason=Reason.BACKLOG,
        limited_by=Reason.RATE_LIMIT,
        message="stays at 2: 50 waiting × 500000 s, budget 19 s, but the pool grew less than 10 s ago",
    ),
    "the next step up comes in its time": Row(
        rules=long(),
        reading=reading(waiting=50),
        fleet=fleet(2),
        memory=Memory(**SETTLED, grown_at=NOW - LEAD_SECONDS),
        to=5,
        reason=Reason.BACKLOG,
    ),
    "a small step up waits for the pods of the last": Row(
        rules=long(max_replicas=9),
        reading=reading(waiting=70),
        fleet=fleet(5),
        memory=Memory(**SETTLED, grown_at=NOW - 9),
        to=5,
        reason=Reason.BACKLOG,
        limited_by=Reason.RATE_LIMIT,
    ),
    "a large one does not": Row(
        rules=long(max_replicas=9),
        reading=reading(waiting=80),
        fleet=fleet(2),
        memory=Memory(**SETTLED, grown_at=NOW - UP_SECONDS),
        to=8,
        reason=Reason.BACKLOG,
    ),
    "a step taken in the future holds nothing up": Row(
        rules=long(),
        reading=reading(waiting=50),
        fleet=fleet(2),
        memory=Memory(**SETTLED, grown_at=NOW + 3600),
        to=5,
        reason=Reason.BACKLOG,
    ),
    "a rollout may grow": Row(
        rules=long(), reading=reading(waiting=50), fleet=fleet(2, rolling=True), to=5, reason=Reason.BACKLOG
    ),
    "a rollout does not shrink": Row(
        fleet=fleet(2, rolling=True),
        memory=IDLE_LONG,
        to=2,
        reason=Reason.IDLE,
        limited_by=Reason.ROLLOUT_IN_PROGRESS,
    ),
    "a change that nobody has seen yet counts as a rollout": Row(
        fleet=fleet(2, observed=False),
        memory=IDLE_LONG,
        to=2,
        reason=Reason.IDLE,
        limited_by=Reason.ROLLOUT_IN_PROGRESS,
    ),
    "a rollout that gave up freezes nothing": Row(
        fleet=fleet(2, rolling=True, stalled=True), memory=IDLE_LONG, to=0, reason=Reason.IDLE
    ),
    "fewer pods than there are wait for drain": Row(
        rules=long(),
        reading=reading(active=12),
        fleet=fleet(5),
        to=5,
        reason=Reason.BACKLOG,
        limited_by=Reason.AWAITING_DRAIN,
        message="stays at 5: 12 active × 500000 s, budget 19 s, so 2 would do, "
        "but no pod can be drained now, and undrained it shrinks only to zero, when nothing runs",
    ),
    "in a rollout that gave up too, and says so": Row(
        rules=long(),
        reading=reading(active=12),
        fleet=fleet(5, rolling=True, stalled=True),
        to=5,
        reason=Reason.BACKLOG,
        limited_by=Reason.AWAITING_DRAIN,
        message="stays at 5: 12 active × 500000 s, budget 19 s, so 2 would do, "
        "but no pod can be drained in the middle of a rollout, "
        "and undrained it shrinks only to zero, when nothing runs",
    ),
    "a lowered maximum waits for drain": Row(
        rules=long(max_replicas=3),
        reading=reading(waiting=90),
        fleet=fleet(5),
        to=5,
        reason=Reason.BACKLOG,
        limited_by=Reason.AWAITING_DRAIN,
    ),
    "an idle pool with a minimum waits for drain": Row(
        rules=rules(min_replicas=1),
        fleet=fleet(5),
        memory=IDLE_LONG,
        to=5,
        reason=Reason.IDLE,
        limited_by=Reason.AWAITING_DRAIN,
    ),
    "idle for long goes to zero": Row(
        fleet=fleet(5), memory=IDLE_LONG, to=0, reason=Reason.IDLE, message="5 → 0: nothing waits, is due or runs"
    ),
    "idle for a moment stays": Row(
        fleet=fleet(5),
        memory=IDLE_SHORT,
        to=5,
        reason=Reason.IDLE,
        limited_by=Reason.IDLE_WINDOW,
        message="stays at 5: nothing waits, is due or runs, but not for 60 s yet",
    ),
    "idle for the first time stays": Row(fleet=fleet(5), to=5, reason=Reason.IDLE, limited_by=Reason.IDLE_WINDOW),
    "without an idle time it goes to zero at once": Row(
        rules=rules(idle_seconds=0), fleet=fleet(5), to=0, reason=Reason.IDLE
    ),
    "jobs that came and went between two looks keep the pods": Row(
        reading=reading(completed=1),
        fleet=fleet(5),
        memory=IDLE_LONG,
        to=5,
        reason=Reason.IDLE,
        limited_by=Reason.IDLE_WINDOW,
    ),
    "a clock that was set back starts the idle time again": Row(
        fleet=fleet(5),
        memory=Memory(idle_since=NOW + 3600, finished=0, **SETTLED),
        to=5,
        reason=Reason.IDLE,
        limited_by=Reason.IDLE_WINDOW,
    ),
    "a job that is due soon keeps the pods": Row(
        reading=reading(delayed=1, next_due_at=NOW + LEAD_SECONDS),
        fleet=fleet(5),
        memory=IDLE_LONG,
        to=5,
        reason=Reason.IDLE,
        limited_by=Reason.NEXT_JOB_DUE,
    ),
    "a job that is due later does not": Row(
        reading=reading(delayed=1, next_due_at=NOW + LEAD_SECONDS + 1.1),
        fleet=fleet(5),
        memory=IDLE_LONG,
        to=0,
        reason=Reason.IDLE,
    ),
    "a Deployment that is gone is made again": Row(
        reading=reading(waiting=1),
        fleet=NO_FLEET,
        memory=Memory(**SETTLED, grown_at=NOW - 1),
        to=1,
        reason=Reason.BACKLOG,
    ),
}

DRAINING = {
    "drained pods are ended": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=2, reason=Reason.BACKLOG,
        message="5 → 2: 12 active × 500000 s, budget 19 s",
    ),
    "pods that are not drained yet are waited for": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=3, drained=2), to=3, reason=Reason.BACKLOG,
        limited_by=Reason.AWAITING_DRAIN,
        message="5 → 3: 12 active × 500000 s, budget 19 s, "
        "on the way to 2: pods are ended when they have finished what they run",
    ),
    "no more pods are ended than run nothing": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=5, drained=3), to=5, reason=Reason.BACKLOG,
        limited_by=Reason.AWAITING_DRAIN,
    ),
    "a pod that is not ready would be ended first": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, ready=3, busy=2, drained=1), to=5,
        reason=Reason.BACKLOG, limited_by=Reason.AWAITING_DRAIN,
        message="stays at 5: 12 active × 500000 s, budget 19 s, "
        "but a pod that is to stay is not ready and would be ended first",
    ),
    "pods that are not ready are among those that go": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, ready=3, busy=2, drained=3), to=2,
        reason=Reason.BACKLOG,
    ),
    "one pod is kept until the queue was idle for long": Row(
        fleet=fleet(5, busy=0, drained=5), memory=IDLE_SHORT, to=1, reason=Reason.IDLE, limited_by=Reason.IDLE_WINDOW,
    ),
    "a pin to fewer pods drains": Row(
        rules=rules(pinned=2), reading=reading(active=3), fleet=fleet(5, busy=1, drained=2), to=3,
        reason=Reason.PINNED, limited_by=Reason.AWAITING_DRAIN,
    ),
    "what was needed a minute ago is kept": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=4, reason=Reason.BACKLOG,
        memory=Memory(**SETTLED, recommended=((NOW - 119, 4),)), limited_by=Reason.STABILIZATION,
        message="5 → 4: 12 active × 500000 s, budget 19 s, but 4 were needed in the last 120 s",
    ),
    "what was needed before the window is not": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=2, reason=Reason.BACKLOG,
        memory=Memory(**SETTLED, recommended=((NOW - 120, 4),)),
    ),
    "the next step down waits": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=5, reason=Reason.BACKLOG,
        memory=Memory(**SETTLED, shrunk_at=NOW - DOWN_SECONDS + 0.1), limited_by=Reason.RATE_LIMIT,
    ),
    "a small step down is not worth it": Row(
        rules=long(max_replicas=100), reading=reading(active=390), fleet=fleet(41, busy=39, drained=2), to=41,
        reason=Reason.BACKLOG, limited_by=Reason.DEAD_BAND,
    ),
    "a few drained pods are not worth a write": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(7, busy=3, drained=2), to=7, reason=Reason.BACKLOG,
        limited_by=Reason.AWAITING_DRAIN,
    ),
    "half of those to go are": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(7, busy=3, drained=3), to=4, reason=Reason.BACKLOG,
        limited_by=Reason.AWAITING_DRAIN,
    ),
    "a pool that was resized often keeps its pods": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=5, reason=Reason.BACKLOG,
        memory=Memory(**SETTLED, writes=CHANGES_AN_HOUR, written_at=NOW, spare=CHANGE_PRICE - 1),
        limited_by=Reason.CHURN,
        message="stays at 5: 12 active × 500000 s, budget 19 s, "
        "but that has not saved the 400 pod-seconds yet that a change must save",
    ),
    "until their idle time has paid for it": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=2, reason=Reason.BACKLOG,
        memory=Memory(**SETTLED, writes=CHANGES_AN_HOUR, written_at=NOW, spare=CHANGE_PRICE),
    ),
    "more changes must each save more": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=5, reason=Reason.BACKLOG,
        memory=Memory(**SETTLED, writes=2 * CHANGES_AN_HOUR - 2, written_at=NOW, spare=2 * CHANGE_PRICE - 1),
        limited_by=Reason.CHURN,
    ),
    "the first changes of an hour cost nothing": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=2, reason=Reason.BACKLOG,
        memory=Memory(**SETTLED, writes=2, written_at=NOW, spare=0),
    ),
    "nor does it hold above a lowered maximum": Row(
        rules=long(max_replicas=4), reading=reading(active=39), fleet=fleet(5, busy=4, drained=1), to=4,
        reason=Reason.BACKLOG, memory=Memory(**SETTLED, writes=100, written_at=NOW),
    ),
    "nothing shrinks before the operator has watched for long enough": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), memory=Memory(since=NOW - 119),
        to=5, reason=Reason.BACKLOG, limited_by=Reason.JUST_STARTED,
    ),
    "an idle queue was watched for its own window": Row(
        fleet=fleet(5), memory=Memory(since=NOW - 60, idle_since=NOW - 60, finished=0), to=0, reason=Reason.IDLE
    ),
    "but not if it only looks idle since the counters ran backwards": Row(
        fleet=fleet(5), to=5, reason=Reason.IDLE, limited_by=Reason.COUNTERS_RESET,
        memory=Memory(**SETTLED, idle_since=NOW - 60, finished=0, rates=Rates(reset_at=NOW - 119)),
    ),
    "growing needs no past": Row(
        rules=long(), reading=reading(waiting=50), fleet=fleet(2), memory=Memory(), to=5, reason=Reason.BACKLOG
    ),
    "nothing shrinks after the counters ran backwards": Row(
        rules=long(), reading=reading(active=12), fleet=fleet(5, busy=2, drained=3), to=5, reason=Reason.BACKLOG,
        memory=Memory(**SETTLED, rates=Rates(reset_at=NOW - 119)), limited_by=Reason.COUNTERS_RESET,
    ),
}  # fmt: skip

OTHERS = {
    "an outage is held until the fallback's time": Row(
        rules=rules(fallback=Fallback(replicas=6, after_seconds=120)), reading=unreachable(), fleet=fleet(2),
        memory=Memory(**SETTLED, unread_since=NOW - 119), to=2, reason=Reason.UNREACHABLE,
    ),
    "a long outage gets the fallback's pods": Row(
        rules=rules(fallback=Fallback(replicas=6, after_seconds=120)), reading=unreachable(), fleet=fleet(2),
        memory=Memory(**SETTLED, unread_since=NOW - 120), to=6, reason=Reason.UNREACHABLE, limited_by=Reason.FALLBACK,
        message="2 → 6: Redis at redis:6379 does not answer, raised to fallback.replicas 6 after 120 s",
    ),
    "the fallback takes no pod away": Row(
        rules=rules(fallback=Fallback(replicas=1, after_seconds=120)), reading=unreachable(), fleet=fleet(2),
        memory=Memory(**SETTLED, unread_since=NOW - 500), to=2, reason=Reason.UNREACHABLE,
    ),
    "an open window asks for pods": Row(
        rules=rules(schedule=(Window("0 0 * * *", "59 23 * * *", "UTC", 4),)), fleet=fleet(0), to=4,
        reason=Reason.IDLE, limited_by=Reason.SCHEDULE,
        message="0 → 4: nothing waits, is due or runs, raised to 4 by scaling.schedule",
    ),
    "a window never overrides the maximum": Row(
        rules=rules(schedule=(Window("0 0 * * *", "59 23 * * *", "UTC", 9),)), fleet=fleet(0), to=7,
        reason=Reason.IDLE, limited_by=Reason.MAX_REPLICAS,
    ),
    "a pin overrides a window": Row(
        rules=rules(pinned=1, schedule=(Window("0 0 * * *", "59 23 * * *", "UTC", 4),)), fleet=fleet(0), to=1,
        reason=Reason.PINNED,
    ),
    "the queue's own rate makes more pods useless": Row(
        rules=long(), reading=reading(waiting=500, rate_limit=(20, 1e6)), fleet=fleet(0), to=2,
        reason=Reason.BACKLOG, limited_by=Reason.QUEUE_RATE_LIMIT,
        message="0 → 2: 500 waiting × 500000 s, budget 19 s, limited by the queue's own rate of 20 in 1e+06 s",
    ),
    "a rate over no time at all limits nothing": Row(
        rules=long(), reading=reading(waiting=30, rate_limit=(2**53, 1e-300)), fleet=fleet(0), to=3,
        reason=Reason.BACKLOG,
    ),
    "slow CPUs need more pods": Row(
        rules=long(cpu_percent=50), reading=reading(waiting=30), fleet=fleet(2, cpu_use=1.0), to=6,
        reason=Reason.BACKLOG,
    ),
    "busy CPUs recommend by HPA's formula": Row(
        rules=rules(cpu_percent=80, concurrency=100), reading=reading(active=90), fleet=fleet(4, cpu_use=1.0), to=5,
        reason=Reason.CPU, message="4 → 5: the workers' CPU use is above 80 % (cpuPercent)",
    ),
    "another scaler has the Deployment": Row(
        rules=long(), reading=reading(waiting=50), fleet=fleet(1, foreign_scaler="HorizontalPodAutoscaler/video"),
        to=1, reason=Reason.BACKLOG, limited_by=Reason.FOREIGN_SCALER,
        message="stays at 1: 50 waiting × 500000 s, budget 19 s, "
        "but HorizontalPodAutoscaler/video scales the same Deployment",
    ),
    "a pod start that was learned widens what is due soon": Row(
        rules=long(), reading=reading(delayed=50, due_within=(0, 0, 0, 50, 50, 50, 50), next_due_at=NOW + 30),
        memory=Memory(**SETTLED, lead=Lead(mean=3.4, variance=0.0)), fleet=fleet(0), to=5, reason=Reason.BACKLOG,
    ),
}  # fmt: skip

TABLE = DEMAND | QUEUE | BOUNDS | MOVING | DRAINING | OTHERS


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_decides(row: Row) -> None:
    decision = plan(rules=row.rules, reading=row.reading, fleet=row.fleet, memory=row.memory, now=NOW)

    assert (decision.from_, decision.to) == (row.fleet.replicas, row.to)
    assert (decision.reason, decision.limited_by) == (row.reason, row.limited_by)
    if row.message is not None:
        assert decision.message == row.message


def decide(memory: Memory, now: float, pods: int = 2, **known: Any) -> Memory:
    return plan(rules=long(), reading=reading(**known), fleet=fleet(pods), memory=memory, now=now).memory


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
        "dueSoon": 0,
        "active": 3,
        "oldestWaitSeconds": 90,
        "newestWaitSeconds": 90,
        "arrivalsPerSecond": 0,
        "sustainedPerSecond": 0,
        "serviceSeconds": 1,
        "leadSeconds": 10,
        "budgetSeconds": 5,
        "slots": pytest.approx(59.384, abs=0.001),
        "presentSlots": 40,
        "deadlineSlots": pytest.approx(59.384, abs=0.001),
        "steadySlots": 0,
        "workSlots": 356,
        "podsForObjective": 6,
        "podsForQueueLength": 4,
        "podsForWaitSeconds": 6,
        "podsForCpu": 0,
    }


def test_a_limit_that_agrees_with_the_demand_is_not_named() -> None:
    decision = plan(rules=long(), reading=reading(waiting=70), fleet=fleet(0), memory=Memory(), now=NOW)

    assert (decision.to, decision.limited_by) == (7, None)


def test_pods_held_for_the_price_of_a_change_are_counted_until_the_number_changes() -> None:
    """Two pods beyond what 21 long jobs take, for four seconds."""
    memory, seen = Memory(writes=CHANGES_AN_HOUR, written_at=NOW, **SETTLED), fleet(5, busy=3, drained=0)
    for second in (0, 2, 4):
        decision = plan(
            rules=long(), reading=reading(at=NOW + second, active=21), fleet=seen, memory=memory, now=NOW + second
        )
        assert decision.limited_by is Reason.CHURN
        memory = decision.memory
    assert memory.spare == 8
    grown = plan(rules=long(), reading=reading(waiting=70), fleet=seen, memory=memory, now=NOW + 5)
    assert (grown.to, grown.memory.spare, grown.memory.surplus) == (7, 0, 0)


def test_changes_are_forgotten_with_the_hour() -> None:
    assert Memory(writes=10, written_at=NOW).churn(NOW + 3600) == pytest.approx(10 / 2.71828, rel=1e-4)
