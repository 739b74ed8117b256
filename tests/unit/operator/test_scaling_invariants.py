"""What holds for every plan, whatever is seen: hunted for by hypothesis."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.api.pool import ScalingPause
from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling.decision import Decision
from bullpen_operator.scaling.limits import UP_SECONDS
from bullpen_operator.scaling.observation import Fleet, QueueReading, ReadingFailed
from bullpen_operator.scaling.plan import Memory, Rules, plan
from tests.unit.operator.facts import NOW, fleet, unreachable

counts = st.just(0) | st.integers(0, 30) | st.integers(0, 5000)
absurd_counts = st.integers() | st.floats()
moments = st.none() | st.floats(NOW - 1e5, NOW + 1e5)
absurd_moments = st.none() | st.floats()


def readings(
    count: st.SearchStrategy[float], moment: st.SearchStrategy[float | None]
) -> st.SearchStrategy[QueueReading]:
    return st.builds(
        QueueReading,
        at=st.just(NOW),
        exists=st.booleans(),
        paused=st.booleans(),
        waiting=count,
        due=count,
        active=count,
        delayed=count,
        failed=count,
        completed=count,
        oldest_wait_seconds=st.none() | count,
        next_due_at=moment,
        global_concurrency=st.none() | count,
    )


@st.composite
def some_rules(draw: st.DrawFn) -> Rules:
    """Rules that the CRD admits."""
    most = draw(st.integers(1, 50))
    return Rules(
        concurrency=draw(st.integers(1, 100)),
        min_replicas=draw(st.integers(0, most)),
        max_replicas=most,
        queue_length=draw(st.integers(1, 500)),
        wait_seconds=draw(st.integers(1, 600)),
        idle_seconds=draw(st.integers(0, 600)),
        pinned=draw(st.none() | st.integers(0, most)),
        paused=draw(st.sampled_from(ScalingPause)),
    )


fleets = st.builds(fleet, st.integers(0, 60), rolling=st.booleans(), observed=st.booleans(), stalled=st.booleans())
memories = st.builds(
    Memory,
    idle_since=st.none() | st.floats(NOW - 1000, NOW),
    grown_at=st.none() | st.floats(NOW - 20, NOW),
    finished=st.none() | counts,
)
absurd_memories = st.builds(
    Memory, idle_since=absurd_moments, grown_at=absurd_moments, finished=st.none() | st.integers()
)
seen = readings(counts, moments)
anything = seen | st.sampled_from([unreachable(), unreachable(Reason.SECRET_FORBIDDEN)])


def after(decision: Decision, of: Fleet) -> Fleet:
    """The Deployment once the decision was carried out."""
    return replace(of, exists=True, replicas=decision.to, rolling=False, observed=True)


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_never_leaves_its_bounds_by_its_own_doing(
    rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory
) -> None:
    decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)

    least = rules.min_replicas if rules.pinned is None else 0
    if decision.changes:
        assert least <= decision.to <= rules.max_replicas
    else:
        assert decision.to == fleet.replicas


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_the_minimum_is_reached_whatever_is_known_of_the_queue(
    rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory
) -> None:
    unheld = replace(rules, pinned=None, paused=ScalingPause.NONE)
    decision = plan(rules=unheld, reading=reading, fleet=fleet, memory=memory, now=NOW)

    assert decision.to >= rules.min_replicas or decision.limited_by is Reason.RATE_LIMIT


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_shrinks_only_to_zero(
    rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory
) -> None:
    decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)

    assert decision.to == 0 or decision.to >= fleet.replicas


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_goes_to_zero_only_on_good_evidence(
    rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory
) -> None:
    decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)

    if decision.changes and decision.to == 0:
        assert isinstance(reading, QueueReading)
        assert reading.exists
        assert reading.active == 0
        assert reading.paused or reading.waiting == reading.due == 0


@given(
    rules=some_rules(),
    reading=readings(absurd_counts, absurd_moments),
    fleet=fleets,
    replicas=st.integers(),
    memory=absurd_memories,
    now=st.floats(),
)
def test_takes_nonsense_without_raising(
    rules: Rules, reading: QueueReading, fleet: Fleet, replicas: int, memory: Memory, now: float
) -> None:
    decision = plan(rules=rules, reading=reading, fleet=replace(fleet, replicas=replicas), memory=memory, now=now)

    assert decision.to >= 0
    assert decision.to in (0, decision.from_) or decision.from_ < decision.to <= rules.max_replicas
    assert all(math.isfinite(value) for value in decision.inputs.values())


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_comes_to_rest(rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory) -> None:
    """While the world stands still, the steps up end (each adds a pod), and the last decision repeats itself."""
    now, steps = NOW, 0
    while True:
        decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=now)
        if not decision.changes:
            break
        fleet, memory, now, steps = after(decision, fleet), decision.memory, now + UP_SECONDS, steps + 1
        assert steps <= rules.max_replicas + 1
    again = plan(rules=rules, reading=reading, fleet=fleet, memory=decision.memory, now=now)
    assert (again.to, again.reason, again.limited_by) == (decision.to, decision.reason, decision.limited_by)


@given(
    rules=some_rules(),
    reading=seen,
    fleet=fleets,
    memory=memories,
    more=st.fixed_dictionaries({}, optional={"waiting": counts, "due": counts, "active": counts}),
)
def test_more_work_never_means_fewer_pods(
    rules: Rules, reading: QueueReading, fleet: Fleet, memory: Memory, more: dict[str, int]
) -> None:
    busier = replace(
        reading,
        waiting=reading.waiting + more.get("waiting", 0),
        due=reading.due + more.get("due", 0),
        active=reading.active + more.get("active", 0),
    )

    less = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)
    greater = plan(rules=rules, reading=busier, fleet=fleet, memory=memory, now=NOW)

    assert greater.to >= less.to


@given(rules=some_rules(), reading=seen, fleet=fleets, memory=memories, longer=st.integers(0, 5000))
def test_a_longer_wait_never_means_fewer_pods(
    rules: Rules, reading: QueueReading, fleet: Fleet, memory: Memory, longer: int
) -> None:
    older = replace(reading, oldest_wait_seconds=(reading.oldest_wait_seconds or 0) + longer)

    less = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)
    greater = plan(rules=rules, reading=older, fleet=fleet, memory=memory, now=NOW)

    assert greater.to >= less.to


@given(rules=some_rules(), reading=seen, fleet=fleets, memory=memories)
def test_never_more_pods_than_work_asks_for(rules: Rules, reading: QueueReading, fleet: Fleet, memory: Memory) -> None:
    decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)

    jobs = reading.waiting + reading.due + reading.active
    asked = max(jobs, rules.min_replicas, rules.pinned or 0)
    assert decision.to <= max(asked, fleet.replicas)


@given(rules=some_rules(), reading=seen, fleet=fleets, memory=memories)
def test_a_paused_queue_starts_no_pod_for_what_waits(
    rules: Rules, reading: QueueReading, fleet: Fleet, memory: Memory
) -> None:
    held = replace(reading, paused=True, exists=True)
    decision = plan(rules=replace(rules, pinned=None), reading=held, fleet=fleet, memory=memory, now=NOW)

    assert decision.to <= max(math.ceil(reading.active / rules.concurrency), rules.min_replicas, fleet.replicas)


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories, paused=st.sampled_from(ScalingPause))
def test_a_pause_holds_its_direction(
    rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory, paused: ScalingPause
) -> None:
    decision = plan(
        rules=replace(rules, pinned=None, paused=paused), reading=reading, fleet=fleet, memory=memory, now=NOW
    )

    if paused in (ScalingPause.OUT, ScalingPause.BOTH):
        assert decision.to <= fleet.replicas
    if paused in (ScalingPause.IN, ScalingPause.BOTH):
        assert decision.to >= fleet.replicas


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_a_pin_is_met_or_waited_for(
    rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory
) -> None:
    pinned = replace(rules, pinned=rules.max_replicas)
    decision = plan(rules=pinned, reading=reading, fleet=fleet, memory=memory, now=NOW)

    assert decision.reason is Reason.PINNED
    assert decision.to == rules.max_replicas or decision.limited_by is not None


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_says_what_it_does(rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory) -> None:
    decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)

    head = f"{fleet.replicas} → {decision.to}: " if decision.changes else f"stays at {fleet.replicas}: "
    assert decision.message.startswith(head)
    assert len(decision.message) > len(head)
