"""The formulas, each by its own table."""

from __future__ import annotations

import math

import pytest

from bullpen_operator.scaling.numbers import count
from bullpen_operator.scaling.sizing import (
    Load,
    Objective,
    budgets,
    by_cpu,
    by_length,
    by_wait,
    effective_concurrency,
    pods_for,
    slots,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3), (2.9, 2), (0, 0), (-1, 0), (None, 0), (math.nan, 0), (math.inf, 0), (-math.inf, 0), (10**30, 2**53)],
)
def test_counts_only_what_can_be_counted(value: float | None, expected: int) -> None:
    assert count(value) == expected


@pytest.mark.parametrize(
    ("jobs", "concurrency", "pods"),
    [(0, 10, 0), (1, 10, 1), (10, 10, 1), (11, 10, 2), (70, 1, 70), (5, 0, 5), (-3, 10, 0)],
)
def test_gives_each_job_a_slot(jobs: int, concurrency: int, pods: int) -> None:
    assert pods_for(jobs, concurrency) == pods


@pytest.mark.parametrize(("waiting", "pods"), [(0, 0), (100, 0), (101, 2), (200, 2), (201, 3)])
def test_a_long_queue_is_shared_among_pods(waiting: int, pods: int) -> None:
    assert by_length(waiting, 100) == pods


@pytest.mark.parametrize(
    ("replicas", "oldest", "jobs", "pods"),
    [
        (4, 60, 1000, 0),
        (4, 61, 1000, 5),
        (4, 90, 1000, 6),
        (4, 120, 1000, 8),
        (4, 1e9, 1000, 8),
        (4, 90, 5, 5),
        (0, 90, 1000, 2),
        (0, 90, 1, 1),
    ],
)
def test_a_long_wait_grows_the_pool(replicas: int, oldest: float, jobs: int, pods: int) -> None:
    assert by_wait(replicas=replicas, oldest=oldest, wait_seconds=60, jobs=jobs) == pods


@pytest.mark.parametrize(
    ("use", "pods"),
    [(None, 0), (0.8, 0), (0.88, 0), (0.9, 5), (1.0, 5), (5.0, 8), (math.nan, 0)],
)
def test_busy_cpus_ask_for_pods_by_the_formula_of_hpa(use: float | None, pods: int) -> None:
    assert by_cpu(ready=4, cpu_use=use, cpu_percent=80, jobs=1000) == pods


@pytest.mark.parametrize(
    ("use", "percent", "slots"),
    [(None, 80, 10), (0.5, 80, 10), (0.8, 80, 10), (1.0, 80, 8), (99.0, 80, 1), (1.0, None, 10)],
)
def test_workers_short_of_cpu_have_fewer_slots(use: float | None, percent: float | None, slots: float) -> None:
    assert effective_concurrency(10, cpu_use=use, cpu_percent=percent) == pytest.approx(slots)


THIRTY = Objective(wait=30, percentile=99, tick=2)


@pytest.mark.parametrize(
    ("lead", "oldest", "newest", "budget"),
    [
        (8, 0, 0, 20),
        (8, 20, 20, 20),
        (8, 20.1, 20.1, 7),  # a bulk: all of it is late
        (8, 20.1, 0, 20),  # jobs keep coming: the last has all its time
        (8, 25, 8, 12),
        (8, 25, 18, 7),
        (8, 30.1, 0, 7),  # one is too late, and so will be those behind it
        (13, 0, 0, 15),
        (13, 16, 16, 4.5),
        (60, 0, 0, 6),
        (60, 7, 7, 4.5),
    ],
)
def test_the_budget_is_what_is_left_of_the_objective_when_pods_are_there(
    lead: float, oldest: float, newest: float, budget: float
) -> None:
    assert budgets(THIRTY, lead=lead, oldest=oldest, newest=newest)[1] == pytest.approx(budget)


def load(**known: float) -> Load:
    quiet: dict[str, float] = {"waiting": 0, "due": 0, "soon": 0, "active": 0, "oldest_wait_seconds": 0, "arrivals": 0}
    quiet |= {"newest_wait_seconds": 0, "sustained": known.get("arrivals", 0.0), "present": 0}
    return Load(**(quiet | {"service_seconds": 1.0, "lead_seconds": 8.0} | known))  # type: ignore[arg-type]


BOUNDS = {
    # b = 20 s throughout
    "a backlog of short jobs: work ÷ deadline": (load(waiting=2100, service_seconds=1), 2100 / 21),
    "a backlog of jobs as long as the budget: half": (load(waiting=100, service_seconds=20), 50),
    "a backlog of very long jobs: a slot each": (load(waiting=100, service_seconds=2e6), 100),
    "due jobs and those due soon are backlog": (load(due=10, soon=11, service_seconds=1), 1),
    # kept = 27 s for slots that are there, so each of them starts 28 jobs of a second
    "slots that are there serve while others start": (load(waiting=1000, present=20), 20 + (1000 - 560) / 21),
    "enough slots that are there: what could be kept of them": (load(waiting=280, present=20), 10),
    "the back of the queue has waited already": (
        load(waiting=280, oldest_wait_seconds=7, newest_wait_seconds=7, present=20),
        280 / 21,
    ),
    "what may change is a reason to call help as far as the slots that are there do not serve": (
        load(waiting=560, arrivals=10, present=10),
        10 + (560 - 280 + 0.5 * 2.3263 * 10) / 21,
    ),
    "a burst alone is no steady state": (
        load(arrivals=10, sustained=0.5, active=5),
        (5 + 2.3263 * math.sqrt(10 * 10 + 5)) / 21,
    ),
    "running jobs hold their slots": (load(active=40, service_seconds=2e6), 40),
    "nothing": (load(), 0),
    # C(13, 10)·exp(−3·20) is far below 1 %, so is C(11, 10)·exp(−20): one more than the load
    "steady short jobs: what Erlang asks for": (load(arrivals=10, active=10, service_seconds=1), 11),
    "long jobs in steady state: what runs, and what may change before help arrives": (
        load(arrivals=0.02, active=10, service_seconds=500),
        (10 + 2.3263 * math.sqrt(0.2 + 10 * (1 - math.exp(-10 / 500)))) / (1 + 20 / 500),
    ),
}


@pytest.mark.parametrize(("known", "needed"), BOUNDS.values(), ids=BOUNDS)
def test_slots_of_the_objective(known: Load, needed: float) -> None:
    assert slots(known, THIRTY).needed == pytest.approx(needed, rel=1e-3)
