"""How a load came: visit by visit, and what the next one is best met with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.scaling.visits import LONGEST_SECONDS, VISITS, Visit, grown, largest, likely, seen


def visit(cold: int, *, warm: int | None = None, seconds: float = 200.0) -> Visit:
    return Visit(0.0, cold if warm is None else warm, cold, seconds)


def test_a_visit_lasts_from_its_first_job_until_the_queue_is_idle() -> None:
    now, past = seen(None, (), warm=1, cold=2, idle=False, now=10.0)
    now, past = seen(now, past, warm=5, cold=7, idle=False, now=20.0)
    now, past = seen(now, past, warm=3, cold=3, idle=False, now=30.0)
    assert (now, past) == (Visit(10.0, 5, 7), ())

    now, past = seen(now, past, warm=0, cold=0, idle=True, now=130.0)
    assert (now, past) == (None, (Visit(10.0, 5, 7, 120.0),))
    assert seen(now, past, warm=0, cold=0, idle=True, now=140.0) == (None, past)


def test_a_visit_that_needed_nothing_is_none() -> None:
    assert seen(Visit(0.0), (), warm=0, cold=0, idle=True, now=100.0) == (None, ())


def test_a_load_that_stays_is_told_anew_each_hour() -> None:
    now, past = seen(Visit(0.0, 5, 7), (), warm=4, cold=4, idle=False, now=LONGEST_SECONDS)

    assert (now, past) == (Visit(LONGEST_SECONDS, 4, 4), (Visit(0.0, 5, 7, LONGEST_SECONDS),))


def test_a_clock_that_was_set_back_ends_a_visit() -> None:
    now, past = seen(Visit(1000.0, 5, 7), (), warm=1, cold=1, idle=False, now=10.0)

    assert (now, past) == (Visit(10.0, 1, 1), (Visit(1000.0, 5, 7, 0.0),))


def test_only_the_last_visits_are_remembered() -> None:
    past = tuple(visit(pods) for pods in range(1, VISITS + 1))
    _, past = seen(Visit(0.0, 99, 99), past, warm=0, cold=0, idle=True, now=100.0)

    assert len(past) == VISITS
    assert past[-1].cold == 99


@pytest.mark.parametrize(
    ("colds", "price", "level"),
    [
        ((), 300.0, 0),
        ((8,), 300.0, 8),
        ((8, 8, 8, 20), 0.0, 8),  # twelve pods more for 200 s in each of three visits, or one change
        ((8, 8, 8, 20), 7000.0, 8),
        ((8, 8, 8, 20), 7300.0, 20),
        ((8, 20, 20, 20), 300.0, 8),  # while changes are cheap, to look before one leaps is cheap too
        ((8, 20, 20, 20), 900.0, 20),
    ],
)
def test_the_level_is_that_with_which_the_past_would_have_cost_least(
    colds: tuple[int, ...], price: float, level: int
) -> None:
    assert likely([visit(cold) for cold in colds], price=price)[1] == level


def test_the_largest_visit_is_the_limit() -> None:
    assert largest(()) == (0, 0)
    assert largest((visit(9, warm=4), visit(8, warm=7))) == (7, 9)


def test_pods_that_are_there_need_less_company() -> None:
    assert grown(0, warm=8, cold=10) == 10
    assert grown(4, warm=8, cold=10) == 9
    assert grown(8, warm=8, cold=10) == 8
    assert grown(9, warm=8, cold=10) == 9
    assert grown(3, warm=0, cold=0) == 3


@given(pods=st.integers(0, 1000), warm=st.integers(0, 1000), cold=st.integers(0, 1000))
def test_a_pool_that_grows_never_shrinks_by_it(pods: int, warm: int, cold: int) -> None:
    assert grown(pods, warm=warm, cold=cold) >= pods
