"""Who goes when the pool shrinks."""

from __future__ import annotations

from typing import Any

import pytest

from bullpen_operator.scaling.drain import Pod, victims


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
