"""How long pods take to start, learned from those that did."""

from __future__ import annotations

import math
import random

import pytest

from bullpen_operator.scaling.lead import LONGEST_LEAD, SHORTEST_LEAD, Lead, asked, seen, shrunk


def test_learns_the_time_within_which_nine_of_ten_are_ready() -> None:
    chance = random.Random(1)
    starts = [chance.lognormvariate(math.log(8) - 0.0533, 0.3265) for _ in range(400)]  # mean 8 s, p90 about 11.5 s
    lead, now, ready = Lead(), 0.0, 0
    for start in starts:
        lead = asked(lead, pods=1, now=now)
        lead, ready = seen(lead, ready=ready + 1, now=now + start), ready + 1
        now += 60

    assert lead.seconds(99.0) == pytest.approx(sorted(starts)[360], rel=0.25)


def test_each_pod_of_a_step_counts() -> None:
    lead = asked(Lead(), pods=3, now=0.0)
    lead = seen(lead, ready=2, now=5.0)

    assert lead.awaited == ((0.0, 1),)
    assert lead.mean == pytest.approx(math.log(5))


def test_pods_asked_for_first_are_taken_to_come_first() -> None:
    lead = asked(asked(Lead(), pods=1, now=0.0), pods=2, now=6.0)

    assert seen(lead, ready=2, now=9.0).awaited == ((6.0, 1),)


def test_a_pod_that_never_comes_is_forgotten() -> None:
    lead = seen(asked(Lead(), pods=1, now=0.0), ready=0, now=LONGEST_LEAD + 1)

    assert (lead.awaited, lead.mean) == ((), None)


def test_a_step_down_ends_the_waiting() -> None:
    assert shrunk(asked(Lead(), pods=1, now=0.0)).awaited == ()


@pytest.mark.parametrize("seed", [math.nan, -1.0, math.inf, 0.0, 10.0, 1e9])
def test_the_seed_holds_until_a_pod_was_seen(seed: float) -> None:
    assert SHORTEST_LEAD <= Lead().seconds(seed) <= LONGEST_LEAD


@pytest.mark.parametrize("now", [-1e9, 5.0, math.nan, 1e12])
def test_a_clock_that_jumps_teaches_nothing_absurd(now: float) -> None:
    lead = seen(asked(Lead(), pods=5, now=0.0), ready=5, now=now)

    assert SHORTEST_LEAD <= lead.seconds(10.0) <= LONGEST_LEAD
