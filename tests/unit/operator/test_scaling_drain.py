"""Who goes when the pool shrinks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.scaling.drain import Pod, safely_ended, victims


def pod(name: str, **known: Any) -> Pod:
    usual = {"ready": True, "jobs": 0, "oldest_job_seconds": 0.0, "draining": False}
    return Pod(name=name, **(usual | known))


BUSY_LONG = pod("busy-long", jobs=2, oldest_job_seconds=90)
BUSY_SHORT = pod("busy-short", jobs=1, oldest_job_seconds=5)
LEAVING = pod("leaving", jobs=1, oldest_job_seconds=1, draining=True)
IDLE = pod("idle")
STARTING = pod("starting", ready=False)
ALL = (BUSY_SHORT, BUSY_LONG, LEAVING, IDLE, STARTING)


@pytest.mark.parametrize(
    ("surplus", "chosen"),
    [
        (-1, []),
        (0, []),
        (1, ["starting"]),
        (2, ["starting", "idle"]),
        (3, ["starting", "idle", "leaving"]),
        (4, ["starting", "idle", "leaving", "busy-long"]),
        (9, ["starting", "idle", "leaving", "busy-long", "busy-short"]),
    ],
)
def test_the_cheapest_first(surplus: int, chosen: list[str]) -> None:
    assert victims(ALL, surplus) == chosen


def test_a_pod_that_is_not_ready_but_works_is_not_taken_for_idle() -> None:
    assert victims([pod("sick", ready=False, jobs=3, oldest_job_seconds=1), IDLE], 1) == ["idle"]


def ranked(name: str, *, free: bool, cost: int | tuple[int, int] = 0, ready: bool = True, running: bool = True) -> Pod:
    costs = (cost, cost) if isinstance(cost, int) else cost
    return pod(name, free=free, ready=ready, running=running, costs=costs)


@pytest.mark.parametrize(
    ("pods", "safe"),
    [
        pytest.param([], 0, id="no pods"),
        pytest.param([ranked("a", free=True)], 1, id="all are free, so the order is nobody's business"),
        pytest.param([ranked("a", free=True), ranked("b", free=False)], 0, id="nothing tells them apart"),
        pytest.param([ranked("a", free=True, cost=-1000), ranked("b", free=False)], 1, id="the cost does"),
        pytest.param(
            [ranked("a", free=True, cost=(-1000, 0)), ranked("b", free=False)], 0, id="not before it was seen"
        ),
        pytest.param(
            [ranked("a", free=True, cost=-1000), ranked("b", free=False, cost=(-1000, 0))],
            0,
            id="nor while the other may still seem to have one",
        ),
        pytest.param(
            [ranked("a", free=True, cost=-1000), ranked("b", free=False, ready=False)],
            0,
            id="a pod that is not ready goes before any cost",
        ),
        pytest.param(
            [ranked("a", free=True, ready=False), ranked("b", free=False), ranked("c", free=True, cost=-1000)],
            2,
            id="which is as well when it is free",
        ),
        pytest.param(
            [ranked("a", free=True, running=False, ready=False), ranked("b", free=False, ready=False)],
            1,
            id="a pending one goes before one that runs",
        ),
    ],
)
def test_how_many_the_controller_may_end(pods: list[Pod], safe: int) -> None:
    assert safely_ended(pods) == safe


PODS = st.lists(
    st.builds(
        lambda free, ready, running, scheduled, low, high: pod(
            "x",
            free=free,
            ready=ready,
            running=running,
            scheduled=scheduled,
            costs=(min(low, high), max(low, high)),
        ),
        *(st.booleans() for _ in range(4)),
        *(st.sampled_from([-1000, 0, 5]) for _ in range(2)),
    ),
    max_size=7,
)


@given(PODS, st.randoms(use_true_random=False))
def test_whatever_the_controller_has_seen_and_however_it_breaks_ties_no_other_pod_is_ended(
    pods: list[Pod], chance: Any
) -> None:
    safe = safely_ended(pods)
    order = sorted(pods, key=lambda each: (each.rank(chance.choice(each.costs)), chance.random()))
    assert all(each.free for each in order[:safe])
