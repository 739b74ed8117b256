"""A queue's hour, tick by tick: each new sentence of the planner stands in golden/decisions.txt.

After a change that is meant: `GOLDEN=write pytest tests/unit/operator/test_scaling_golden.py`, and read the diff.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bullpen_operator.scaling.observation import QueueReading, ReadingFailed
from bullpen_operator.scaling.plan import Memory, plan
from bullpen_operator.scaling.rules import Fallback
from tests.unit.operator.facts import NOW, fleet, reading, rules, unreachable

GOLDEN = Path(__file__).parent / "golden" / "decisions.txt"


def hour() -> Iterator[tuple[int, QueueReading | ReadingFailed]]:
    """What is read at each second: rest, a bulk of 900 jobs of 5 s, rest, an outage, a delayed job, a reset."""
    finished = 0

    def seen(second: int, **known: Any) -> QueueReading:
        return reading(at=NOW + second, finished=finished, added=2000, **known)

    for second in range(130):
        yield second, seen(second)
    waiting, active = 900, 0
    for second in range(130, 400):
        slots = 5 * min(1 + (second - 130) // 4, 12)
        ended = min(active, max(active // 5, 1))
        finished += ended
        started = min(waiting, slots - active + ended)
        waiting, active = waiting - started, active - ended + started
        oldest = float(second - 130) if waiting else None
        yield second, seen(second, waiting=waiting, active=active, oldest_wait_seconds=oldest)
    for second in range(400, 560):
        yield second, unreachable()
    due = NOW + 760
    for second in range(560, 800):
        soon = sum(due - NOW - second <= ahead for ahead in (5, 10, 20, 40, 80, 160, 320))
        ladder = (0,) * (7 - soon) + (1,) * soon
        if second < 760:
            yield second, seen(second, delayed=1, due_within=ladder, next_due_at=due)
        else:
            yield second, seen(second, active=int(second < 780))
    for second in range(800, 1000):
        yield second, reading(at=NOW + second, finished=2, added=3, waiting=2, rate_limit=(10, 60.0))


def test_tells_the_hour() -> None:
    pool = rules(concurrency=5, max_replicas=12, fallback=Fallback(replicas=2, after_seconds=120))
    memory, pods, told = Memory(), 0, [""]
    last: object = None
    for second, observed in hour():
        seen = fleet(pods, busy=0, drained=pods) if isinstance(observed, QueueReading) else fleet(pods)
        decision = plan(rules=pool, reading=observed, fleet=seen, memory=memory, now=NOW + second)
        memory, pods = decision.memory, decision.to
        line = f"{decision.message} [{decision.reason}{f', {decision.limited_by}' if decision.limited_by else ''}]"
        shape = (decision.changes, decision.reason, decision.limited_by)
        if decision.changes or shape != last:
            told.append(f"{second:4} s  {line}")
        last = shape
    text = "\n".join(told[1:]) + "\n"
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(text)

    assert text == GOLDEN.read_text()
