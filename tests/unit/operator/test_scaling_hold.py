"""How long to hold pods: the window's maxima, what each time to hold has cost, and the cheapest."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.scaling.hold import (
    LONGEST_QUEUE,
    MEMORY_SECONDS,
    Course,
    Needs,
    cheapest,
    followed,
    levels,
    needed,
)

SPANS = (120.0, 240.0, 480.0)


@given(pods=st.lists(st.integers(0, 40), min_size=1, max_size=LONGEST_QUEUE))
def test_the_queue_knows_the_most_of_each_span(pods: list[int]) -> None:
    needs: Needs = ()
    for second, number in enumerate(pods):
        needs = needed(needs, number, now=10.0 * second, span=SPANS[-1])
    now = 10.0 * (len(pods) - 1)
    seen = [(10.0 * second, number) for second, number in enumerate(pods)]

    assert levels(needs, now=now, spans=SPANS) == [
        max(number for at, number in seen if at > now - span) for span in SPANS
    ]


@given(pods=st.lists(st.integers(0, 10_000), min_size=1, max_size=300))
def test_the_queue_is_bounded_and_never_forgets_the_most(pods: list[int]) -> None:
    needs: Needs = ()
    for second, number in enumerate(pods):
        needs = needed(needs, number, now=float(second), span=1000.0)

        assert len(needs) <= LONGEST_QUEUE
        assert needs[0][1] == max(pods[: second + 1])


def test_a_clock_that_was_set_back_forgets_what_is_to_come() -> None:
    assert needed(((1000.0, 9),), 1, now=10.0, span=100.0) == ((10.0, 1),)


def play(period: float, burst: int, seconds: float) -> tuple[Course, ...]:
    """`burst` pods are needed for a minute in each period."""
    needs: Needs = ()
    courses: tuple[Course, ...] = ()
    for now in range(0, int(seconds), 2):
        needs = needed(needs, burst if now % period < 60 else 0, now=float(now), span=SPANS[-1])
        courses = followed(courses, levels(needs, now=now, spans=SPANS), now=now, seconds=2.0)
    return courses


def test_each_time_to_hold_has_its_rent_and_its_changes() -> None:
    short, longer, longest = play(280, 10, 7200)

    assert short.rent / longest.rent == pytest.approx((60 + 120) / 280, rel=0.03)
    assert short.changes == pytest.approx(sum(math.exp(-k * 280 / MEMORY_SECONDS) for k in range(26)), rel=0.03)
    assert longer.changes == longest.changes == 0


@pytest.mark.parametrize(
    ("period", "price", "chosen"),
    [
        (280, 900, 0),  # to let ten pods go for 100 s in each period saves 1,000 pod-seconds
        (280, 1100, 1),
        (3600, 1100, 0),
        (3600, 1e9, 0),  # none of them holds for an hour
    ],
)
def test_pods_are_held_where_that_is_cheaper(period: float, price: float, chosen: int) -> None:
    assert cheapest(play(period, 10, 14_400), price=price) == chosen


def test_nothing_known_holds_for_the_shortest_time() -> None:
    assert cheapest((), price=1e9) == 0
