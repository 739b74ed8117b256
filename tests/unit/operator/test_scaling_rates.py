"""The estimators, on queues whose traffic is known: λ and S must come out, and never by more than stated."""

from __future__ import annotations

import math
import random
from heapq import heappop, heappush
from typing import Any

import pytest

from bullpen_operator.scaling.rates import (
    LONGEST_SERVICE,
    SHORTEST_SERVICE,
    Rates,
    Source,
    updated,
)
from bullpen_operator.scaling.sizing import Load, Objective, slots
from tests.unit.operator.facts import NOW, reading


def learned(
    *, arrivals: float, service: float, seconds: float, tick: float = 2.0, seed: int = 1, fixed: bool = False
) -> list[tuple[int, Rates]]:
    """Jobs that all start at once (no queue): active jobs and estimates at each tick."""
    chance = random.Random(seed)
    ends: list[float] = []
    rates, track = Rates(), []
    time, finished, next_at = 0.0, 0, chance.expovariate(arrivals)
    while time < seconds:
        time += tick
        while next_at <= time:
            heappush(ends, next_at + (service if fixed else chance.expovariate(1 / service)))
            next_at += chance.expovariate(arrivals)
        while ends and ends[0] <= time:
            heappop(ends)
            finished += 1
        rates = updated(rates, reading(at=NOW + time, active=len(ends), finished=finished), expected=1.0)
        track.append((len(ends), rates))
    return track


@pytest.mark.parametrize("service", [0.02, 1.0, 20.0, 120.0])
@pytest.mark.parametrize("seed", range(3))
def test_learns_arrivals_and_service_time(service: float, seed: int) -> None:
    arrivals = 10 / service
    _, rates = learned(arrivals=arrivals, service=service, seconds=max(900, 40 * service), seed=seed)[-1]

    noise = 4 / math.sqrt(arrivals * 180)
    assert rates.slow == pytest.approx(arrivals, rel=noise)
    assert rates.service_seconds(1.0) == pytest.approx(service, rel=0.35)


@pytest.mark.parametrize("fixed", [False, True], ids=["exponential", "all the same"])
@pytest.mark.parametrize("seed", range(4))
def test_jobs_of_500_s_do_not_cost_more_slots_than_they_use(seed: int, fixed: bool) -> None:
    """A larger-of-two-rates estimator cost 2.5 times the pods here (scaling.md §3)."""
    track = learned(arrivals=10 / 500, service=500.0, seconds=20_000, seed=seed, fixed=fixed)[1000:]
    asked = [
        slots(
            Load.of(
                reading(active=active),
                arrivals=rates.arrivals,
                sustained=rates.slow,
                service=rates.service_seconds(1.0),
                lead=10,
                tick=2,
            ),
            Objective(wait=30, percentile=99, tick=2),
        ).needed
        for active, rates in track
    ]

    assert sum(asked) <= 1.35 * sum(active for active, _ in track)


def test_long_jobs_show_before_the_first_has_ended() -> None:
    rates = Rates()
    for second in range(0, 60, 2):
        rates = updated(rates, reading(at=NOW + second, active=50, finished=0), expected=1.0)

    assert rates.service_seconds(1.0) > 100


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_rarely_makes_the_fast_rate_count(seed: int) -> None:
    track = learned(arrivals=2.0, service=1.0, seconds=4000, seed=seed)[200:]

    believed = sum(rates.arrivals > rates.slow for _, rates in track) / len(track)
    mean = sum(rates.arrivals for _, rates in track) / len(track)
    assert believed < 0.05
    assert mean == pytest.approx(2.0, rel=0.1)


def test_a_real_rise_is_believed_within_seconds() -> None:
    rates = learned(arrivals=1.0, service=1.0, seconds=600)[-1][1]
    at, finished = rates.at or 0.0, rates.counter
    for step in range(1, 6):
        seen = reading(at=at + 2 * step, active=rates.active, finished=finished + 40 * step)
        rates = updated(rates, seen, expected=1.0)

    assert rates.arrivals == rates.fast > 8


def test_a_queue_at_rest_forgets_no_service_time() -> None:
    busy = learned(arrivals=0.5, service=20.0, seconds=3000)[-1][1]
    rest = busy
    for second in range(2, 40_000, 20):
        seen = reading(at=(busy.at or 0.0) + second, finished=busy.counter + busy.active)
        rest = updated(rest, seen, expected=1.0)

    assert rest.service_seconds(1.0) == pytest.approx(busy.service_seconds(1.0), rel=0.15)
    assert rest.arrivals < 1e-6


def seen(**known: Any) -> Rates:
    """Estimates of a queue with 100 jobs finished so far, and then one more reading two seconds later."""
    before = Rates(
        at=NOW, source=Source.METRICS, counter=100, added=120, slots=10, active=4, slow=2.0, fast=2.0,
        exposure=300.0, completions=60.0, prior=0.0,
    )  # fmt: skip
    usual: dict[str, Any] = {"at": NOW + 2, "finished": 100, "added": 120, "waiting": 6, "active": 4}
    return updated(before, reading(**(usual | known)), expected=1.0)


ARRIVALS = {
    "what ended and what waits more came in": ({"finished": 105, "waiting": 9}, 8 / 2),
    "what moves from waiting to active is no arrival": ({"waiting": 4, "active": 6}, 0.0),
    "what became due came in": ({"due": 3}, 3 / 2),
    "what is delayed did not": ({"delayed": 500}, 0.0),
    "what was removed takes nothing back": ({"waiting": 0}, 0.0),
}


@pytest.mark.parametrize(("known", "rate"), ARRIVALS.values(), ids=ARRIVALS)
def test_counts_arrivals(known: dict[str, int], rate: float) -> None:
    weight = math.exp(-2 / 90)
    assert seen(**known).slow == pytest.approx(weight * 2.0 + (1 - weight) * rate)


RESETS = {
    "completions ran backwards": {"finished": 99},
    "ids ran backwards": {"finished": 101, "added": 3},
    "a counter jumped absurdly": {"finished": 2**60},
}


@pytest.mark.parametrize("known", RESETS.values(), ids=RESETS)
def test_a_counter_that_makes_no_sense_starts_anew_and_keeps_the_service_time_as_a_guess(known: dict[str, int]) -> None:
    rates = seen(**known)

    assert rates.reset_at == NOW + 2
    assert (rates.slow, rates.fast, rates.completions) == (0, 0, 0)
    assert rates.service_seconds(1.0) == pytest.approx(5.0)


@pytest.mark.parametrize("at", [NOW - 3600, NOW, math.nan, math.inf])
def test_a_clock_that_jumped_teaches_nothing(at: float) -> None:
    rates = seen(at=at, finished=5000)

    assert (rates.slow, rates.exposure, rates.reset_at) == (2.0, 300.0, None)
    assert rates.counter == 5000


def test_after_a_gap_the_counters_tell_what_came_but_not_how_long_it_ran() -> None:
    rates = seen(at=NOW + 600, finished=5000)

    assert rates.slow == pytest.approx(4900 / 600, rel=0.01)
    assert (rates.exposure, rates.completions) == (300.0, 60.0)


def test_without_metrics_the_ids_count() -> None:
    first = updated(Rates(), reading(at=NOW, added=50, waiting=5, active=2, delayed=3), expected=1.0)
    second = updated(first, reading(at=NOW + 2, added=54, waiting=5, active=2, delayed=3), expected=1.0)

    assert (second.source, second.completions) == (Source.IDS, 4)


def test_without_any_counter_the_kept_jobs_count_and_their_removal_is_no_reset() -> None:
    first = updated(Rates(), reading(at=NOW, completed=50), expected=1.0)
    second = updated(first, reading(at=NOW + 2, completed=54), expected=1.0)
    third = updated(second, reading(at=NOW + 4, completed=10), expected=1.0)

    assert (second.source, second.completions) == (Source.FINISHED_SETS, 4)
    assert third.reset_at is None


@pytest.mark.parametrize("expected", [0.0, -1.0, math.nan, math.inf, 1e30])
def test_a_service_time_stays_a_number(expected: float) -> None:
    assert SHORTEST_SERVICE <= Rates().service_seconds(expected) <= LONGEST_SERVICE
