"""How the wait promise was kept: from the workers' counts of their starts, and what waits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.protocol.heartbeat import BOUNDS, Heartbeat
from bullpen_operator.api.scaling import WaitObjective
from bullpen_operator.engine.promise import WINDOW_SECONDS, Promise, Starts, late_of
from bullpen_operator.scaling.workers import Workers
from tests.unit.operator.facts import NOW, reading, unreachable


def waits(**at: int) -> tuple[int, ...]:
    """So many starts in the buckets that end at these seconds (`s10=3`); `more` is beyond the last one."""
    counts = [at.pop(f"s{bound:g}", 0) for bound in BOUNDS]
    counts.append(at.pop("more", 0))
    assert not at
    return tuple(counts)


def workers(**counts: tuple[int, ...]) -> Workers:
    """By instance, or `instance_boot`."""
    beats = {
        name.split("_")[0]: Heartbeat(
            instance=name.split("_")[0], boot=name.partition("_")[2], slots=1, busy=0, done=0, failed=0, waits=each
        )
        for name, each in counts.items()
    }
    return Workers(at=NOW, beats=beats, marks={}, running=None, unknown=0)


def counted(on_time: int, late: int) -> Workers:
    return workers(a=waits(s10=on_time, s60=late))


def starts(*seen: Workers, every: float = 1.0) -> Starts:
    """With a promise of 30 s."""
    made = Starts()
    for tick, each in enumerate(seen):
        made.observe(reading(workers=each), promised=30, now=NOW + tick * every)
    return made


def of(made: Starts) -> tuple[float, float]:
    promise = made.promise(reading(), promised=30)
    return promise.late, promise.jobs


NOTHING = counted(0, 0)


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        pytest.param([NOTHING, counted(97, 3)], (3, 100), id="late ones among those that started"),
        pytest.param([counted(500, 500)], (0, 0), id="what was counted before nobody knows when it was"),
        pytest.param([counted(500, 500), counted(510, 501)], (1, 11), id="what came since"),
        pytest.param([NOTHING, workers(a=waits(), b=waits(s60=4))], (4, 4), id="a pod that is new began at nothing"),
        pytest.param([counted(9, 9), workers(a_2=waits(s60=4))], (4, 4), id="so did a container that started anew"),
        pytest.param([NOTHING, counted(5, 5), workers(), NOTHING], (5, 10), id="pods that went have started them"),
        pytest.param([NOTHING, workers(a=(1, 2, 3))], (0, 0), id="counts with other bounds"),
        pytest.param([NOTHING, workers(a=("x",) * 17)], (0, 0), id="no counts"),  # type: ignore[arg-type]
        pytest.param([counted(9, 9), counted(5, 5)], (0, 0), id="counts that fall"),
    ],
)
def test_starts_are_counted_once(seen: list[Workers], kept: tuple[float, float]) -> None:
    assert of(starts(*seen)) == kept


def test_what_started_long_ago_counts_no_more() -> None:
    made = starts(NOTHING, counted(0, 5), every=1)
    assert of(made) == (5, 5)
    for second in range(2, int(WINDOW_SECONDS) + 30):
        made.observe(reading(workers=counted(second, 5)), promised=30, now=NOW + second)
    late, jobs = of(made)
    assert late == 0
    assert WINDOW_SECONDS - 20 <= jobs <= WINDOW_SECONDS + 20


def test_a_clock_set_back_forgets_what_would_lie_ahead() -> None:
    made = starts(NOTHING, counted(0, 5))
    made.observe(reading(workers=counted(0, 5)), promised=30, now=NOW - 3600)
    assert of(made) == (0, 0)


def test_another_promise_is_judged_from_now_on() -> None:
    made = starts(NOTHING, counted(0, 5))
    made.observe(reading(workers=counted(0, 5)), promised=60, now=NOW + 2)
    assert made.promise(reading(), promised=60) == Promise(0, 0)


def test_an_outage_takes_nothing_away_and_what_started_meanwhile_counts() -> None:
    made = starts(NOTHING, counted(0, 5))
    made.observe(unreachable(), promised=30, now=NOW + 2)
    made.observe(reading(workers=counted(1, 7)), promised=30, now=NOW + 40)
    assert of(made) == (7, 8)


@pytest.mark.parametrize(
    ("promised", "late"),
    [
        pytest.param(10, 6, id="on a bound"),
        pytest.param(30, 2, id="on the next one"),
        pytest.param(20, 4, id="half way: half of the bucket"),
        pytest.param(1800, 2, id="the last bound"),
        pytest.param(7200, 0, id="beyond it nothing is known"),
    ],
)
def test_a_promise_between_two_bounds_takes_its_share_of_the_bucket(promised: float, late: float) -> None:
    assert late_of(waits(s10=10, s30=4, more=2), promised) == pytest.approx(late)


@pytest.mark.parametrize(
    ("queue", "late"),
    [
        pytest.param({"waiting": 10, "oldest_wait_seconds": 30.0}, 0, id="none is late"),
        pytest.param({"waiting": 10, "oldest_wait_seconds": 60.0, "newest_wait_seconds": 0.0}, 5, id="half of them"),
        pytest.param({"waiting": 10, "oldest_wait_seconds": 60.0, "newest_wait_seconds": 40.0}, 10, id="all of them"),
        pytest.param({"waiting": 10, "oldest_wait_seconds": 30.1}, 1, id="the oldest at least"),
        pytest.param({"waiting": 0, "oldest_wait_seconds": 31.0}, 1, id="one that is not counted as waiting"),
        pytest.param({"waiting": 10, "oldest_wait_seconds": math.inf}, 10, id="an absurd age"),
        pytest.param({"waiting": 10, "oldest_wait_seconds": math.nan}, 0, id="no age"),
    ],
)
def test_what_waits_too_long_already_counts(queue: dict[str, float], late: float) -> None:
    assert Starts().promise(reading(**queue), promised=30) == Promise(late, late)


@pytest.mark.parametrize(
    ("promise", "percentile", "missed"),
    [
        pytest.param(Promise(0, 0), 99, False, id="no jobs"),
        pytest.param(Promise(1, 1), 99, True, id="the only job"),
        pytest.param(Promise(1, 100), 99, False, id="just as many as it leaves"),
        pytest.param(Promise(1.1, 100), 99, True, id="one more"),
        pytest.param(Promise(49, 100), 50, False, id="a promise of half of them"),
    ],
)
def test_a_promise_is_missed_by_more_than_it_leaves(promise: Promise, percentile: int, missed: bool) -> None:
    assert promise.missed(WaitObjective(percentile=percentile)) is missed


@given(
    st.lists(st.lists(st.integers(0, 10**9), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1), max_size=8),
    st.floats(1, 604800),
)
def test_never_more_are_late_than_there_were(counts: list[list[int]], promised: float) -> None:
    made = Starts()
    for tick, each in enumerate(counts):
        made.observe(reading(workers=workers(a=tuple(each))), promised=promised, now=NOW + tick)
    promise = made.promise(reading(), promised=promised)
    assert 0 <= promise.late <= promise.jobs * (1 + 1e-9)
