"""The wall clock is set: a turn before and after, by a minute and by years, to either side."""

from __future__ import annotations

import pytest

from bullpen_operator.cluster.port import ClusterError
from tests.unit.operator.engine_house import EngineHouse
from tests.unit.operator.facts import reading, unreachable

AWAY = ClusterError(status=0, reason="NoAnswer", message="no answer within 10 s")
NO_JUMP = 0.0
JUMPS = [NO_JUMP] + [seconds * side for seconds in (60.0, 3600.0, 86_400.0, 10 * 365 * 86_400.0) for side in (1, -1)]


@pytest.fixture
async def busy() -> EngineHouse:
    """A pool with work for four pods, and its Deployment."""
    house = EngineHouse()
    house.see(house.cluster.add_pool("video"))
    await house.settle()
    await work(house, 5, waiting=35)
    assert replicas(house) == 4
    house.cluster.calls.clear()
    return house


async def work(house: EngineHouse, turns: int = 1, **queue: int) -> None:
    """Turns a second apart, after each of which the pods are there that were asked for."""
    for _ in range(turns):
        await house.turn(reading(at=house.now, **queue))
        deployment = house.cluster.deployments["video"]
        there = {
            "observedGeneration": deployment["metadata"]["generation"],
            **dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), replicas(house)),
        }
        if deployment.get("status") != there:
            deployment["status"] = there
            house.see_deployment(house.cluster.touch_deployment("video"))


def replicas(house: EngineHouse) -> int:
    found: int = house.cluster.deployments["video"]["spec"]["replicas"]
    return found


def status_writes(house: EngineHouse) -> int:
    return house.cluster.writes().count("status")


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_jump_changes_no_number_and_turns_no_condition(busy: EngineHouse, jump: float) -> None:
    before = {kind: busy.condition(kind)["status"] for kind in ("Ready", "QueueReachable", "ScalingActive")}
    busy.now += jump
    await work(busy, 30, waiting=35)
    assert replicas(busy) == 4
    assert "scale" not in busy.cluster.writes()
    assert status_writes(busy) <= 2
    assert {kind: busy.condition(kind)["status"] for kind in before} == before
    assert busy.meter.errors == 0


@pytest.mark.parametrize("jump", JUMPS)
async def test_after_a_jump_more_work_is_met_at_once_and_none_ends_the_pods_in_time(
    busy: EngineHouse, jump: float
) -> None:
    busy.now += jump
    await work(busy, 60, waiting=65)  # a step up may wait for the pods of the one before
    assert replicas(busy) == 7
    await work(busy, 300)
    assert replicas(busy) == 0
    assert busy.meter.errors == 0


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_jump_ends_a_pause_or_leaves_it_as_short_as_it_was(busy: EngineHouse, jump: float) -> None:
    busy.cluster.refusals["scale"] = [AWAY] * 4
    await work(busy, 10, waiting=65)
    busy.now += jump
    await work(busy, 90, waiting=65)
    assert replicas(busy) in (7, 8)  # a jump ahead between a write and its pods looks like a slow start


@pytest.mark.parametrize("jump", [jump for jump in JUMPS if jump > 0])
async def test_a_jump_ahead_is_no_outage(busy: EngineHouse, jump: float) -> None:
    await busy.turn(unreachable())
    busy.now += jump
    await work(busy, waiting=35)
    assert replicas(busy) == 4
    assert "FallbackActivated" not in busy.told()
