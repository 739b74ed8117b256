from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.runtime.recycling import Limits

ALL = Limits(jobs=100, memory=64 * 2**20, age=3600)


@pytest.mark.parametrize(
    ("jobs", "memory", "age", "why"),
    [
        pytest.param(99, 2**20, 3599.0, None, id="nothing is reached"),
        pytest.param(100, 2**20, 10.0, "100 jobs done (this process' share of MAX_JOBS is 100)", id="jobs"),
        pytest.param(
            5, 70 * 2**20, 10.0, "70 MiB of memory in use (this process' share of MAX_MEMORY is 64 MiB)", id="memory"
        ),
        pytest.param(5, 2**20, 3600.0, "1h 00m old (this process' share of MAX_AGE is 1h 00m)", id="age"),
    ],
)
def test_the_reason_names_the_limit(jobs: int, memory: int, age: float, why: str | None) -> None:
    assert ALL.reached(jobs=jobs, memory=memory, age=age) == why


def test_no_limits_are_never_reached() -> None:
    assert Limits().reached(jobs=10**9, memory=2**50, age=1e9) is None
    assert Limits().share(0.3) == Limits()


@given(st.floats(0, 1), st.integers(1, 10**6), st.integers(2**25, 2**40), st.floats(1, 1e7))
def test_a_share_is_between_four_fifths_and_the_whole(part: float, jobs: int, memory: int, age: float) -> None:
    share = Limits(jobs=jobs, memory=memory, age=age).share(part)
    assert share.jobs is not None
    assert share.memory is not None
    assert share.age is not None
    assert 1 <= share.jobs <= jobs
    assert share.jobs >= 0.8 * jobs - 1
    assert 0.8 * memory - 1 <= share.memory <= memory
    assert 0.799 * age <= share.age <= age * 1.000001
