"""Pools in words and decisions as arithmetic, as kubectl bullpen shows them, from what the operator writes.

After a change that is meant: `GOLDEN=write pytest tests/unit/operator/test_cli_words.py`, and read the diff.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.api.reasons import Reason
from bullpen_operator.cli.arithmetic import Terms, explained
from bullpen_operator.cli.look import COLUMNS, row
from bullpen_operator.cli.waiting import awaited
from bullpen_operator.cli.words import described
from bullpen_operator.engine.promise import Starts
from bullpen_operator.engine.status import status_of
from bullpen_operator.engine.view import Obstacle, View
from bullpen_operator.scaling.observation import Fleet, QueueReading, ReadingFailed
from bullpen_operator.scaling.plan import Memory, Rules, plan
from bullpen_operator.scaling.rates import Rates, Source
from tests.unit.operator.facts import NOW, fleet, pool, reading, unreachable

GOLDEN = Path(__file__).parent / "golden" / "pools.txt"
LEARNED = Memory(
    since=NOW - 9000,
    rates=Rates(
        at=NOW - 1,
        source=Source.METRICS,
        counter=4000,
        slots=185,
        active=15,
        slow=0.5,
        fast=0.5,
        finishing=0.4,
        exposure=1200,
        completions=100,
        prior=0,
    ),
)


def written(
    seen: QueueReading | ReadingFailed,
    fleet: Fleet,
    *,
    memory: Memory = LEARNED,
    obstacle: Obstacle | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pool as the API server has it after the operator's turn; the Deployment follows at once, its pods do not."""
    asked = pool(concurrency=5, **spec)
    decision = plan(rules=Rules.of(asked.spec), reading=seen, fleet=fleet, memory=memory, now=NOW)
    after = replace(fleet, replicas=decision.to, exists=True)
    view = View(
        pool=asked,
        fleet=after,
        reading=seen,
        applied=True,
        obstacle=obstacle,
        decision=decision,
        now=NOW,
        promise=Starts().promise(seen, promised=asked.spec.scaling.wait_objective.seconds),
    )
    return {
        "metadata": {"name": "video", "namespace": "media", "generation": 1},
        "spec": asked.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        "status": status_of(view),
    }


def scenes() -> Iterator[tuple[str, dict[str, Any]]]:
    late = reading(
        waiting=170, active=15, oldest_wait_seconds=21.0, newest_wait_seconds=2.0, completed=4000, finished=4000
    )
    yield "a backlog that takes more than the pool may have", written(late, fleet(3))
    yield (
        "jobs from zero",
        written(reading(waiting=12, oldest_wait_seconds=1.0), fleet(0), memory=Memory(since=NOW - 9000)),
    )
    few = reading(waiting=0, active=4, completed=4000, finished=4000)
    yield (
        "fewer would do",
        written(few, fleet(6, busy=2, drained=0), memory=replace(LEARNED, recommended=((NOW - 60, 6),))),
    )
    yield "at rest", written(reading(), fleet(0), memory=Memory(since=NOW - 9000, idle_since=NOW - 9000))
    yield "pinned", written(late, fleet(3), replicas=3)
    yield (
        "paused by hand, a longer wait than the threshold",
        written(replace(late, oldest_wait_seconds=95.0), fleet(3), scaling={"paused": "Both", "maxReplicas": 100}),
    )
    yield "Redis is away", written(unreachable(), fleet(3))
    yield "nothing like the queue is there", written(reading(exists=False), fleet(0))
    stalled = Obstacle(reason=Reason.TEMPLATE_REJECTED, message="the pod template is invalid: spec.volumes[0]: missing")
    yield "a template that cannot be used", written(late, fleet(3), obstacle=stalled)
    yield "a pool that no operator has seen", {**written(late, fleet(3)), "status": {}}


def shown(scene: dict[str, Any]) -> str:
    words = described(scene, now=NOW + 70)
    return f"{words}\n\n{explained(scene, pool(**scene['spec']).spec, now=NOW + 70)}"


def test_pools_in_words_and_numbers() -> None:
    text = "\n".join(f"=== {title}\n\n{shown(scene)}\n" for title, scene in scenes())
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


@pytest.mark.parametrize(("title", "scene"), list(scenes()), ids=[title for title, _ in scenes()])
def test_a_line_of_the_list_has_every_column(title: str, scene: dict[str, Any]) -> None:
    line = row(scene)
    assert set(line) == {column.key for column in COLUMNS}
    assert all(column.show(line[column.key]) for column in COLUMNS), title


def test_what_every_limit_waits_for_is_told() -> None:
    """A limit is a reason that the planner's source names in `limited` or `held`."""
    scaling = Path(__file__).parents[3] / "operator/bullpen_operator/scaling"
    text = "".join((scaling / f"{module}.py").read_text() for module in ("limits", "bounds"))
    named = {Reason[name] for name in re.findall(r"Reason\.([A-Z_]+)", text)} - {Reason.BACKLOG}
    assert all(awaited(reason, {}) for reason in named)


@given(
    waiting=st.integers(0, 5000),
    active=st.integers(0, 500),
    oldest=st.floats(0, 200),
    service=st.floats(0.01, 600),
    rate=st.floats(0, 50),
    ready=st.integers(0, 50),
    objective=st.integers(1, 600),
)
def test_the_arithmetic_that_is_shown_is_the_one_that_decided(
    waiting: int, active: int, oldest: float, service: float, rate: float, ready: int, objective: int
) -> None:
    rates = replace(LEARNED.rates, slow=rate, fast=rate, exposure=1000 * service, completions=1000)
    seen = reading(waiting=waiting, active=active, oldest_wait_seconds=oldest if waiting else None, finished=0)
    scene = written(
        seen, fleet(ready), memory=replace(LEARNED, rates=rates), scaling={"waitObjective": {"seconds": objective}}
    )
    terms = Terms.of(scene["status"]["decision"], pool(**scene["spec"]).spec)
    need, service = terms.jobs + terms.z * terms.sigma, terms["serviceSeconds"]

    assert terms["budgetSeconds"] <= terms.planned + 0.01
    assert terms["slots"] == pytest.approx(
        min(max(terms["deadlineSlots"], terms["steadySlots"]), terms["workSlots"]), abs=0.01
    )
    if not terms["presentSlots"]:
        assert terms["deadlineSlots"] == pytest.approx(
            need / (1 + terms["budgetSeconds"] / service), rel=0.02, abs=0.02
        )
    assert terms["deadlineSlots"] <= need / (1 + terms["budgetSeconds"] / service) * 1.02 + 0.02
