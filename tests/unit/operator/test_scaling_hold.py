"""How long to hold pods: the window's maxima, what each time to hold has cost, and the cheapest."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.scaling.hold import (
    CHANGE_PRICE,
    CHANGES_AN_HOUR,
    FREE_CHANGES,
    LONGEST_QUEUE,
    MEMORY_SECONDS,
    SPANS,
    Course,
    Needs,
    cheapest,
    followed,
    level,
    needed,
    price,
)

HOLDS = (120.0, 240.0, 480.0)


@given(pods=st.lists(st.integers(0, 40), min_size=1, max_size=LONGEST_QUEUE))
def test_the_queue_knows_the_most_of_each_span(pods: list[int]) -> None:
    needs: Needs = ()
    for second, number in enumerate(pods):
        needs = needed(needs, number, now=10.0 * second)
    now = 10.0 * (len(pods) - 1)
    seen = [(10.0 * second, number) for second, number in enumerate(pods)]

    for span in HOLDS:
        assert level(needs, now=now, span=span) == max(number for at, number in seen if at > now - span)


@given(pods=st.lists(st.integers(0, 10_000), min_size=1, max_size=300))
def test_the_queue_is_bounded_and_never_forgets_the_most(pods: list[int]) -> None:
    needs: Needs = ()
    for second, number in enumerate(pods):
        needs = needed(needs, number, now=float(second))

        assert len(needs) <= LONGEST_QUEUE
        assert needs[0][1] == max(pods[: second + 1])


def test_what_no_span_looks_back_to_is_forgotten() -> None:
    assert needed(((0.0, 9),), 1, now=SPANS[-1]) == ((SPANS[-1], 1),)


def test_a_clock_that_was_set_back_forgets_what_is_to_come() -> None:
    assert needed(((1000.0, 9),), 1, now=10.0) == ((10.0, 1),)


def play(period: float, burst: int, seconds: float) -> tuple[Course, ...]:
    """`burst` pods are needed for a minute in each period; half more if they start only then."""
    needs: Needs = ()
    courses = (Course(),) * len(HOLDS)
    for now in range(0, int(seconds), 2):
        needs = needed(needs, burst if now % period < 60 else 0, now=float(now))
        courses = tuple(
            followed(
                course, level(needs, now=now, span=span),
                warm=burst, cold=burst * 3 // 2, now=float(now), seconds=2.0, settle=120.0,
            )
            for course, span in zip(courses, HOLDS, strict=True)
        )  # fmt: skip
    return courses


def test_each_time_to_hold_has_its_rent_and_its_changes() -> None:
    short, longer, longest = play(280, 10, 7200)

    forgotten = sum(math.exp(-k * 280 / MEMORY_SECONDS) for k in range(26))
    assert short.rent / longest.rent == pytest.approx((15 * 120 + 10 * 58) / (10 * 280), rel=0.02)
    assert short.changes == pytest.approx(2 * forgotten, rel=0.05)
    assert longer.changes == longest.changes < 2


@pytest.mark.parametrize(
    ("period", "paid", "chosen"),
    [
        (500, 1200, 0),  # ten pods for 500 s or fifteen for 120 s, ten for 58 s more and two changes
        (500, 1700, 2),
        (3600, 1700, 0),
        (3600, 1e9, 0),  # none of them holds for an hour
    ],
)
def test_pods_are_held_where_that_is_cheaper(period: float, paid: float, chosen: int) -> None:
    assert cheapest(play(period, 10, 14_400), price=paid, present=0) == chosen


def test_a_course_is_left_only_for_one_that_saves_two_changes() -> None:
    dear, cheap = Course(rent=1000.0), Course(rent=401.0)

    assert cheapest((dear, cheap), price=300.0, present=0) == 0
    assert cheapest((dear, cheap), price=299.0, present=0) == 1


def test_nothing_known_changes_no_course() -> None:
    assert cheapest((), price=1e9, present=0) == 0


def test_a_change_costs_more_the_more_there_were() -> None:
    assert price(0) == price(FREE_CHANGES) == 0
    assert price(CHANGES_AN_HOUR) == CHANGE_PRICE
    assert price(2 * CHANGES_AN_HOUR - FREE_CHANGES) == pytest.approx(2 * CHANGE_PRICE)
