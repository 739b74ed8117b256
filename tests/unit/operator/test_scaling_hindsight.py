"""What would have sufficed: by the table, and against a queue that is played slot by slot."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.scaling.hindsight import MARGIN, MARKS, Arrivals, noted, sufficed

T = 30.0


def after(*came: tuple[float, int], active: int = 0) -> Arrivals:
    """Arrivals noted one by one: when, and how many."""
    arrivals = noted(Arrivals(), came=0, active=active, now=-5.0, objective=T)
    for now, jobs in came:
        arrivals = noted(arrivals, came=jobs, active=active, now=now, objective=T)
    return arrivals


MINUTE = after(*((second, 250) for second in range(0, 60, 5)))
"""3,000 jobs in a minute."""

SUFFICED = {
    "nothing came": (Arrivals(), 1.0, 0.0, 0.0),
    "a minute of short jobs: all of its work until the last is late": (MINUTE, 1.0, 55.0, 3000 / (60 + 24 + 1)),
    "jobs as long as the wait": (MINUTE, 24.0, 55.0, 3000 / (1 + 84 / 24)),
    "very long jobs: a slot each": (MINUTE, 1e9, 55.0, 3000),
    "a minute later the same minute takes fewer": (MINUTE, 1.0, 115.0, 3000 / (120 + 24 + 1)),
    "what ran before counts": (after((0, 10), active=5), 1e9, 0.0, 15),
}


@pytest.mark.parametrize(("arrivals", "service", "now", "slots"), SUFFICED.values(), ids=SUFFICED)
def test_tells_what_would_have_sufficed(arrivals: Arrivals, service: float, now: float, slots: float) -> None:
    assert sufficed(arrivals, service=service, objective=T, now=now) == pytest.approx(slots, rel=1e-6)


def test_slots_that_come_later_must_be_more() -> None:
    """A lead of 14 s leaves 10 s of the margin's 24."""
    late = sufficed(MINUTE, service=1.0, objective=T, now=55.0, late=14.0)

    assert late == pytest.approx(3000 / (60 + 10 + 1), rel=1e-6)
    assert sufficed(MINUTE, service=1.0, objective=T, now=55.0, late=1e6) == pytest.approx(3000 / (60 + 4.5 + 1))


@given(
    jobs=st.lists(st.integers(0, 200), min_size=1, max_size=MARKS - 1), service=st.sampled_from([0.1, 1.0, 10.0, 60.0])
)
def test_so_many_slots_start_each_job_in_time(jobs: list[int], service: float) -> None:
    """The most over time of what sufficed, played: a fluid first-in-first-out queue, all of whose slots were free."""
    arrivals, most = noted(Arrivals(), came=0, active=0, now=0.0, objective=T), 0.0
    for step, came in enumerate(jobs, 1):
        arrivals = noted(arrivals, came=came, active=0, now=5.0 * step, objective=T)
        most = max(most, sufficed(arrivals, service=service, objective=T, now=5.0 * step))
    if not most:
        return
    waiting = -most  # jobs that have come and not started, less free slots
    for came in jobs:
        waiting = max(waiting - most * 5.0 / service, -most) + came
        assert waiting <= most * (MARGIN * T + 5.0) / service + 1e-6 * most  # it is known to a mark


@given(
    jobs=st.lists(st.integers(0, 200), min_size=1, max_size=20),
    service=st.floats(1e-3, 86_400),
    more=st.integers(0, 100),
    longer=st.floats(1, 10),
)
def test_more_jobs_and_longer_ones_never_take_fewer(jobs: list[int], service: float, more: int, longer: float) -> None:
    def of(service: float, extra: int) -> float:
        came = [*jobs[:-1], jobs[-1] + extra]
        return sufficed(
            after(*((5.0 * step, number) for step, number in enumerate(came))),
            service=service, objective=T, now=5.0 * (len(jobs) - 1),
        )  # fmt: skip

    assert of(service, more) >= of(service, 0)
    assert of(service * longer, 0) >= of(service, 0) * (1 - 1e-12)
    assert of(service, 0) <= sum(jobs)


@given(jobs=st.lists(st.integers(0, 200), min_size=1, max_size=20), factor=st.sampled_from([2.0**-20, 0.25, 2.0**16]))
def test_the_unit_of_time_changes_nothing(jobs: list[int], factor: float) -> None:
    def of(unit: float) -> float:
        arrivals = Arrivals()
        for step, came in enumerate(jobs):
            arrivals = noted(arrivals, came=came, active=0, now=5.0 * step * unit, objective=T * unit)
        return sufficed(arrivals, service=3.0 * unit, objective=T * unit, now=5.0 * len(jobs) * unit)

    assert math.isclose(of(factor), of(1.0), rel_tol=1e-9)


def test_remembers_a_bounded_past_in_steps_of_a_sixth_of_the_objective() -> None:
    arrivals = after(*((second, 1) for second in range(10 * MARKS)))

    assert len(arrivals.marks) == MARKS
    assert all(later[0] - earlier[0] == 5 for earlier, later in pairwise(arrivals.marks))
    assert arrivals.total == 10 * MARKS


def test_a_clock_that_was_set_back_starts_anew() -> None:
    assert noted(MINUTE, came=3, active=0, now=-1000.0, objective=T) == Arrivals(marks=((-1000.0, 0.0, 0),), total=0.0)
