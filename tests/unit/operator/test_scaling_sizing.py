"""The formulas, each by its own table."""

from __future__ import annotations

import math

import pytest

from bullpen_operator.scaling.sizing import by_length, by_wait, count, pods_for


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
