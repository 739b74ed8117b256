"""What holds for every plan, whatever is seen: hunted for by hypothesis."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.api.reasons import Reason
from bullpen_operator.api.scaling import ScalingPause
from bullpen_operator.scaling.decision import Decision
from bullpen_operator.scaling.hindsight import Arrivals
from bullpen_operator.scaling.hold import SPANS, Course
from bullpen_operator.scaling.lead import Lead
from bullpen_operator.scaling.limits import DOWN_SECONDS
from bullpen_operator.scaling.observation import Fleet, QueueReading, ReadingFailed
from bullpen_operator.scaling.past import Past
from bullpen_operator.scaling.plan import Memory, Rules, plan
from bullpen_operator.scaling.rates import Rates, Source
from bullpen_operator.scaling.rules import Fallback
from bullpen_operator.scaling.sizing import Load, Objective, slots
from bullpen_operator.scaling.visits import Visit
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
        waiting_children=count,
        due_within=st.just(()) | st.lists(count, min_size=7, max_size=7).map(lambda counts: tuple(sorted(counts))),
        added=st.none() | count,
        finished=st.none() | count,
        rate_limit=st.none() | st.tuples(count, count),
    )


@st.composite
def some_rules(draw: st.DrawFn) -> Rules:
    """Rules that the CRD admits."""
    most = draw(st.integers(1, 50))
    return Rules(
        concurrency=draw(st.integers(1, 100)),
        min_replicas=draw(st.integers(0, most)),
        max_replicas=most,
        queue_length=draw(st.none() | st.integers(1, 500)),
        wait_seconds=draw(st.none() | st.integers(1, 600)),
        idle_seconds=draw(st.integers(0, 600)),
        pinned=draw(st.none() | st.integers(0, most)),
        paused=draw(st.sampled_from(ScalingPause)),
        objective_seconds=draw(st.integers(1, 600)),
        objective_percentile=draw(st.integers(50, 99)),
        expected_job_seconds=draw(st.sampled_from([0.001, 1, 30, 500, 86_400])),
        stabilization_seconds=draw(st.sampled_from([0, 120, 600])),
        fallback=draw(st.none() | st.builds(Fallback, replicas=st.integers(0, most), after_seconds=st.just(60))),
        cpu_percent=draw(st.none() | st.just(80)),
        tick_seconds=draw(st.sampled_from([0.1, 1, 60])),
    )


@st.composite
def some_fleets(draw: st.DrawFn, *, drains: bool | None = None) -> Fleet:
    """Deployments that can be seen; `drains`: whether pods can be drained."""
    replicas = draw(st.integers(0, 60))
    can = draw(st.booleans()) if drains is None else drains
    return fleet(
        replicas,
        rolling=draw(st.booleans()),
        observed=draw(st.booleans()),
        stalled=draw(st.booleans()),
        ready=draw(st.just(replicas) | st.integers(0, replicas)),
        busy=draw(st.integers(0, replicas)) if can else None,
        drained=draw(st.integers(0, replicas)) if can else None,
        cpu_use=draw(st.none() | st.floats(0, 1)),
    )


fleets = some_fleets()
past = st.none() | st.floats(NOW - 1000, NOW)
traffic = st.builds(
    Rates,
    at=st.none() | st.floats(NOW - 100, NOW),
    source=st.sampled_from(Source),
    counter=counts,
    slots=counts,
    active=counts,
    slow=st.floats(0, 1e4),
    fast=st.floats(0, 1e4),
    exposure=st.floats(0, 1e6),
    completions=st.floats(0, 1e6),
    prior=st.floats(0, 3),
    reset_at=past,
)
pods = st.integers(0, 60)
visits = st.builds(Visit, since=st.floats(NOW - 4000, NOW), warm=pods, cold=pods, seconds=st.floats(0, 3600))
pasts = st.builds(
    Past,
    arrivals=st.just(Arrivals())
    | st.builds(Arrivals, marks=st.tuples(st.tuples(st.floats(NOW - 240, NOW), st.just(0.0), counts)), total=counts),
    needs=st.just(()) | st.tuples(st.tuples(st.floats(NOW - 4000, NOW), pods)),
    visit=st.none() | visits,
    visits=st.just(()) | st.tuples(visits) | st.tuples(visits, visits),
    likely=st.tuples(pods, pods),
    courses=st.lists(
        st.builds(Course, level=pods, rent=st.floats(0, 1e6), changes=st.floats(0, 50)),
        min_size=len(SPANS),
        max_size=len(SPANS),
    ).map(tuple),
    course=st.integers(0, len(SPANS) - 1),
)
memories = st.builds(
    Memory,
    since=past,
    idle_since=past,
    unread_since=past,
    grown_at=past,
    shrunk_at=past,
    finished=st.none() | counts,
    writes=st.floats(0, 100),
    written_at=past,
    at=past,
    spare=st.floats(0, 1e4),
    surplus=pods,
    recommended=st.just(()) | st.tuples(st.tuples(st.floats(NOW - 200, NOW), st.integers(0, 60))),
    past=st.just(Past()) | pasts,
    rates=st.just(Rates()) | traffic,
    lead=st.just(Lead()) | st.builds(Lead, mean=st.floats(-1, 6)),
)
absurd_memories = st.builds(
    Memory,
    since=absurd_moments,
    idle_since=absurd_moments,
    unread_since=absurd_moments,
    grown_at=absurd_moments,
    shrunk_at=absurd_moments,
    finished=st.none() | st.integers(),
    at=absurd_moments,
    recommended=st.just(()) | st.tuples(st.tuples(st.floats(), st.integers(0))),
    past=st.just(Past())
    | st.builds(
        Past,
        needs=st.tuples(st.tuples(st.floats(), st.integers(0, 2**53))),
        visit=st.builds(Visit, since=st.floats(), warm=st.integers(0), cold=st.integers(0)),
        visits=st.tuples(st.builds(Visit, since=st.floats(), warm=counts, cold=counts, seconds=st.floats())),
    ),
    rates=st.just(Rates())
    | st.builds(
        Rates,
        at=absurd_moments,
        source=st.sampled_from(Source),
        counter=st.integers(),
        slots=st.integers(0),
        active=st.integers(0, 2**53),
        slow=st.floats(0, 1e6),
        fast=st.floats(0, 1e6),
        exposure=st.floats(0, 1e15),
        completions=st.floats(0, 1e15),
        prior=st.floats(0, 3),
        expected=st.none() | st.floats(1e-3, 1e6),
    ),
    lead=st.just(Lead()) | st.builds(Lead, mean=st.floats(-50, 50), variance=st.floats(0, 100)),
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
    if decision.changes and decision.limited_by is Reason.AWAITING_DRAIN:  # down to the maximum as pods are drained
        assert least <= decision.to < fleet.replicas
    elif decision.changes:
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


@given(rules=some_rules(), reading=anything, fleet=some_fleets(drains=False), memory=memories)
def test_shrinks_only_to_zero_where_pods_cannot_be_drained(
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
    assert decision.to <= max(decision.from_, rules.max_replicas)
    assert all(math.isfinite(value) for value in decision.inputs.values())


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_comes_to_rest(rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory) -> None:
    """While the world stands still, the steps up end (each adds a pod), and the last decision repeats itself."""
    now, steps = NOW, 0
    while True:
        decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=now)
        if not decision.changes:
            break
        fleet, memory, now, steps = after(decision, fleet), decision.memory, now + DOWN_SECONDS, steps + 1
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

    work = math.ceil(decision.inputs.get("workSlots", 0))
    wished = max(rules.min_replicas, rules.pinned or 0, rules.fallback.replicas if rules.fallback else 0)
    assert decision.to <= max(work, wished, fleet.replicas)


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


@given(rules=some_rules(), reading=anything, fleet=some_fleets(drains=True), memory=memories)
def test_never_shrinks_below_the_busy_pods_nor_by_more_than_were_drained(
    rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory
) -> None:
    decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)

    quiet = isinstance(reading, QueueReading) and reading.active == 0 and decision.to == 0
    if decision.to < fleet.replicas and not quiet:
        assert decision.to >= (fleet.busy or 0)
        assert fleet.replicas - decision.to <= (fleet.drained or 0)
        assert fleet.pods - fleet.ready <= fleet.replicas - decision.to


@given(rules=some_rules(), reading=anything, fleet=fleets, memory=memories)
def test_what_is_written_lies_between_what_is_and_what_is_wanted(
    rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory
) -> None:
    decision = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)

    assert min(decision.from_, decision.desired) <= decision.to <= max(decision.from_, decision.desired)


@given(rules=some_rules(), reading=seen, fleet=fleets, memory=memories)
def test_the_same_again_decides_the_same(rules: Rules, reading: QueueReading, fleet: Fleet, memory: Memory) -> None:
    """A reading that is asked about twice teaches nothing the second time."""
    first = plan(rules=rules, reading=reading, fleet=fleet, memory=memory, now=NOW)
    if first.changes:
        return
    second = plan(rules=rules, reading=reading, fleet=fleet, memory=first.memory, now=NOW)

    assert (second.to, second.desired, second.inputs) == (first.to, first.desired, first.inputs)


loads = st.builds(
    Load,
    waiting=counts,
    due=counts,
    soon=counts,
    active=counts,
    oldest_wait_seconds=st.floats(0, 1e5),
    newest_wait_seconds=st.floats(0, 1e5),
    arrivals=st.just(0.0) | st.floats(1 / 86_400, 1e5),
    sustained=st.just(0.0) | st.floats(1 / 86_400, 1e5),
    present=st.floats(0, 1000),
    service_seconds=st.floats(1e-3, 86_400),
    lead_seconds=st.floats(0.5, 300),
)
objectives = st.builds(Objective, wait=st.floats(1, 86_400), percentile=st.floats(50, 99.9), tick=st.floats(0.1, 60))


@given(load=loads, objective=objectives)
def test_never_more_slots_than_work(load: Load, objective: Objective) -> None:
    asked = slots(load, objective)

    expected = load.arrivals * (load.lead_seconds + objective.tick)
    assert 0 <= asked.needed <= load.jobs + expected + 5 * math.sqrt(expected) + 1


@given(load=loads, objective=objectives, factor=st.sampled_from([2.0**-20, 0.25, 8.0, 2.0**16]))
def test_the_unit_of_time_changes_nothing(load: Load, objective: Objective, factor: float) -> None:
    """Hours for seconds: the same slots (factors are powers of two, so that nothing is rounded)."""
    other = replace(
        load,
        oldest_wait_seconds=load.oldest_wait_seconds * factor,
        newest_wait_seconds=load.newest_wait_seconds * factor,
        arrivals=load.arrivals / factor,
        sustained=load.sustained / factor,
        service_seconds=load.service_seconds * factor,
        lead_seconds=load.lead_seconds * factor,
    )
    same = replace(objective, wait=objective.wait * factor, tick=objective.tick * factor)

    assert math.isclose(slots(other, same).needed, slots(load, objective).needed, rel_tol=1e-9)


@given(load=loads, objective=objectives, more=counts, longer=st.floats(0, 1e5))
def test_slots_grow_with_backlog_and_age(load: Load, objective: Objective, more: int, longer: float) -> None:
    busier = replace(load, waiting=load.waiting + more, oldest_wait_seconds=load.oldest_wait_seconds + longer)

    assert slots(busier, objective).needed >= slots(load, objective).needed - 1e-9


@given(load=loads, objective=objectives, factor=st.floats(1, 10))
def test_a_looser_objective_never_takes_more_slots(load: Load, objective: Objective, factor: float) -> None:
    fresh = replace(load, oldest_wait_seconds=0.0)
    looser = replace(objective, wait=objective.wait * factor)
    if load.service_seconds >= objective.wait - load.lead_seconds - objective.tick:
        return  # the steady-state bound is asked only where a slot is free again within the budget

    assert slots(fresh, looser).needed <= slots(fresh, objective).needed + 1e-9
