"""Many pools with something to write at the same time."""

from __future__ import annotations

from bullpen_operator.engine.turnstile import PLACES
from tests.unit.operator.engine_house import EngineHouse
from tests.unit.operator.facts import reading


def _crowd(count: int) -> EngineHouse:
    house = EngineHouse()
    house.see(*(house.cluster.add_pool(f"pool-{number}") for number in range(count)))
    return house


async def test_a_crowd_writes_a_few_at_a_time_and_in_one_tick_all_the_same() -> None:
    house, most = _crowd(300), 0
    house.start_turn()
    while house.pending:
        most = max(most, len(house.pending))
        await house.pending.pop(0)
    assert most == PLACES
    assert len(house.cluster.deployments) == 300
    assert all("status" in pool for pool in house.cluster.pools.values())


async def test_whoever_waits_decides_on_what_was_seen_last() -> None:
    house = _crowd(PLACES + 1)
    house.start_turn()
    house.start_turn(reading(waiting=35))
    await house.finish_writes()
    assert house.cluster.deployments[f"pool-{PLACES}"]["spec"]["replicas"] == 4


async def test_jobs_of_a_pool_at_zero_do_not_wait_for_a_crowd() -> None:
    house = EngineHouse()
    house.see(house.cluster.add_pool("video"))
    await house.settle()
    house.see(*(house.cluster.add_pool(f"pool-{number}") for number in range(100)))
    house.start_turn()
    uid = house.cluster.pools["video"]["metadata"]["uid"]
    house.pools.take_turn(uid, reading(at=house.now, waiting=35))
    await house.pending.pop()
    assert house.cluster.deployments["video"]["spec"]["replicas"] == 4
    await house.finish_writes()


async def test_a_pool_that_goes_while_it_waits_is_forgotten() -> None:
    house = _crowd(PLACES + 1)
    house.start_turn()
    house.pools.forget(house.cluster.pools[f"pool-{PLACES}"])
    await house.finish_writes()
    assert f"pool-{PLACES}" not in house.cluster.deployments
    assert house.meter.errors == 0


async def test_pools_that_share_a_queue_still_do_after_a_turn_that_waited() -> None:
    house = _crowd(PLACES + 1)
    for uid, _ in list(house.pools.current()):
        house.pools.take_turn(uid, reading(at=house.now), sharing=("test/other",))
    await house.finish_writes()
    statuses = [pool["status"] for pool in house.cluster.pools.values()]
    shared = [any("test/other" in condition["message"] for condition in each["conditions"]) for each in statuses]
    assert all(shared)
