"""Erlang C against published values and against its own definition."""

from __future__ import annotations

import math

import pytest

from bullpen_operator.scaling.erlang import servers_for, waiting_probability


@pytest.mark.parametrize(
    ("servers", "load", "probability"),
    [
        (1, 0.5, 0.5),  # M/M/1: ρ
        (2, 1.0, 1 / 3),
        (3, 2.0, 4 / 9),
        (5, 4.0, 0.554113),
        (10, 8.0, 0.409180),
        (4, 4.0, 1.0),
        (4, 9.0, 1.0),
        (4, 0.0, 0.0),
    ],
)
def test_probability_of_a_wait(servers: int, load: float, probability: float) -> None:
    assert waiting_probability(servers, load) == pytest.approx(probability, abs=1e-6)


def by_definition(servers: int, load: float) -> float:
    top = load**servers / math.factorial(servers) * servers / (servers - load)
    return top / (sum(load**k / math.factorial(k) for k in range(servers)) + top)


@pytest.mark.parametrize(("servers", "load"), [(2, 1.9), (20, 12.5), (60, 59.5), (100, 70.0)])
def test_equals_its_definition_where_that_can_be_computed(servers: int, load: float) -> None:
    assert waiting_probability(servers, load) == pytest.approx(by_definition(servers, load), rel=1e-9)


@pytest.mark.parametrize("load", [0.01, 0.7, 3.0, 25.0, 180.0, 499.0, 501.0, 2000.0])
@pytest.mark.parametrize("budget", [0.0, 0.5, 5.0])
def test_the_fewest_servers_that_keep_a_wait_rare(load: float, budget: float) -> None:
    n = servers_for(load, waits=0.01, budget=budget, most=10_000)

    def late(servers: int) -> float:
        return waiting_probability(servers, load) * math.exp(-(servers - load) * budget)

    slack = 0 if load <= 500 else 2  # the limit theorem is used above
    assert late(n + slack) <= 0.01
    assert n - 1 - slack <= load or late(n - 1 - slack) > 0.01


@pytest.mark.parametrize("load", [1e-9, 1.0, 1e3, 1e6, 1e12, 1e300])
def test_never_more_than_the_most_and_never_for_ever(load: float) -> None:
    assert 1 <= servers_for(load, waits=1e-6, budget=0.0, most=1000) <= 1000


def test_nothing_to_do_takes_nobody() -> None:
    assert servers_for(0.0, waits=0.01, budget=1.0, most=10) == 0
    assert servers_for(5.0, waits=0.01, budget=1.0, most=0) == 0
