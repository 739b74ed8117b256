"""CPU use from heartbeats."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bullpen.protocol.heartbeat import Heartbeat
from bullpen_operator.api.quantities import cores
from bullpen_operator.engine.usage import CpuMeter

FIRST = Heartbeat(instance="a", boot="1", slots=1, busy=0, done=0, failed=0, cpu=100.0, at=1000.0)


def later(beat: Heartbeat, *, seconds: float, cpu: float, **other: object) -> Heartbeat:
    assert beat.at is not None
    return replace(beat, at=beat.at + seconds, cpu=beat.cpu + cpu, **other)  # type: ignore[arg-type]


def test_nothing_is_known_before_a_window_has_passed() -> None:
    meter = CpuMeter()
    assert meter.use([FIRST], allowed=2.0) is None
    assert meter.use([later(FIRST, seconds=5, cpu=5)], allowed=2.0) is None
    assert meter.use([later(FIRST, seconds=20, cpu=20)], allowed=2.0) == pytest.approx(0.5)


def test_it_is_the_mean_over_the_workers_and_none_counts_more_than_all_it_may_use() -> None:
    meter = CpuMeter()
    other = replace(FIRST, instance="b")
    meter.use([FIRST, other], allowed=1.0)
    after = [later(FIRST, seconds=20, cpu=40), later(other, seconds=20, cpu=0)]
    assert meter.use(after, allowed=1.0) == pytest.approx(0.5)


def test_a_restarted_container_is_measured_anew() -> None:
    meter = CpuMeter()
    meter.use([FIRST], allowed=1.0)
    assert meter.use([later(FIRST, seconds=20, cpu=-90, boot="2")], allowed=1.0) is None


def test_without_a_limit_or_a_request_nobody_knows() -> None:
    meter = CpuMeter()
    meter.use([FIRST], allowed=None)
    assert meter.use([later(FIRST, seconds=20, cpu=20)], allowed=None) is None


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("500m", 0.5), (2, 2.0), ("1.5", 1.5), (".25", 0.25), ("0", None), ("-1", None), ("many", None), (None, None)],
)
def test_cores(quantity: object, expected: float | None) -> None:
    assert cores(quantity) == expected
