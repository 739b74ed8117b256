"""Workers and producers of both BullMQ generations and ours share one queue: each job is done once, and all agree."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis

from bullpen.client.connection import Link
from bullpen.protocol.calls.add import add
from bullpen.protocol.calls.flow import FlowJob, Parent, add_flow
from bullpen.protocol.calls.read import counts
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.location import RedisLocation
from tests.conformance.dump import dump, strip_prefix
from tests.conformance.fleet import Load
from tests.conformance.fuzz.invariants import violations
from tests.conformance.live import serving, until
from tests.conformance.node_side import NodeDriver
from tests.conformance.our_options import from_node_options, to_json
from tests.conformance.sides import PREFIX, QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FLEET_DB: Final = 7
KEYS: Final = QueueKeys(PREFIX, QUEUE)
GENERATIONS: Final = {"v5": 5, "v6": 6}
CONCURRENCY: Final = 20
TOGETHER: Final = 500
PATIENCE_SECONDS: Final = 180.0  # some 20 s on two idle cores


async def test_a_mixed_fleet_does_every_job_once(redis_port: int, tmp_path: Path) -> None:
    ledgers = {name: tmp_path / name for name in (*GENERATIONS, "ours")}
    loads = [Load(name) for name in ledgers]
    location = RedisLocation.parse(f"redis://127.0.0.1:{redis_port}/{FLEET_DB}")
    async with AsyncExitStack() as opened:
        redis = await opened.enter_async_context(Redis(port=redis_port, db=FLEET_DB, decode_responses=True))
        link = await opened.enter_async_context(Link(location, timeout=60.0))
        await redis.flushdb()
        drivers = await _drivers(opened, redis_port)
        settings = {"FLEET_LEDGER": str(ledgers["ours"]), "LOG_LEVEL": "warning"}
        async with serving(redis, "fleet_app", concurrency=CONCURRENCY, **settings):
            for name, driver in drivers.items():
                options = {"name": name, "concurrency": CONCURRENCY}
                start = {"key": name, "options": options, "ledger": str(ledgers[name])}
                await driver.request("start_worker", None, start)
            async with asyncio.TaskGroup() as group:
                for load in loads:
                    driver_of_load = drivers.get(load.producer)
                    group.create_task(_ours(link, load) if driver_of_load is None else _nodes(driver_of_load, load))
            await until(lambda: _all_done(redis), what="all jobs are done", within=PATIENCE_SECONDS)
            for name, driver in drivers.items():
                await driver.request("stop_worker", None, {"key": name})
        _check_runs(loads, {name: path.read_text().splitlines() for name, path in ledgers.items()})
        await _check_counts(loads, link, drivers)
        assert violations(await _content(redis)) == []


async def _drivers(opened: AsyncExitStack, port: int) -> dict[str, NodeDriver]:
    drivers = {}
    for name, generation in GENERATIONS.items():
        drivers[name] = await NodeDriver.start(generation, port=port, db=FLEET_DB)
        opened.push_async_callback(drivers[name].close)
        await drivers[name].request("open", None, {"prefix": PREFIX, "queue": QUEUE})
    return drivers


# --- producers -------------------------------------------------------------------------------------------------------


async def _nodes(driver: NodeDriver, load: Load) -> None:
    for first in range(0, len(load.jobs), TOGETHER):
        await driver.request("add_bulk", None, {"jobs": load.jobs[first : first + TOGETHER]})
    await asyncio.gather(*[driver.request("add_flow", None, {"tree": tree}) for tree in load.flows])


async def _ours(link: Link, load: Load) -> None:
    for first in range(0, len(load.jobs), TOGETHER):
        await asyncio.gather(*[link.run(_addition(job)) for job in load.jobs[first : first + TOGETHER]])
    await asyncio.gather(*[link.run(add_flow([*_family(tree)], now=_now())) for tree in load.flows])


def _addition(job: dict[str, Any]) -> Any:
    options = from_node_options(job["opts"])
    return add(KEYS, name=job["name"], data=to_json(job["data"]), now=_now(), options=options)


def _family(tree: dict[str, Any]) -> Iterable[FlowJob]:
    yield _node(tree, None)
    for child in tree["children"]:
        yield _node(child, Parent(KEYS, tree["opts"]["jobId"]))


def _node(node: dict[str, Any], parent: Parent | None) -> FlowJob:
    return FlowJob(
        keys=KEYS,
        job_id=node["opts"]["jobId"],
        name=node["name"],
        data=to_json(node["data"]),
        options=from_node_options(node["opts"]),
        parent=parent,
        has_children=parent is None,
    )


def _now() -> int:
    return int(time.time() * 1000)


# --- what has to be -------------------------------------------------------------------------------------------------


async def _all_done(redis: Redis) -> bool:
    names = (KEYS.wait, KEYS.paused, KEYS.active, KEYS.prioritized, KEYS.delayed, KEYS.waiting_children)
    return not await redis.exists(*names)


def _check_runs(loads: list[Load], ledgers: dict[str, list[str]]) -> None:
    """Each job was started and ended once for each attempt, whoever did it."""
    expected = Counter(
        f"{what} {label} {attempt}"
        for load in loads
        for label, attempts in load.runs.items()
        for attempt in range(1, attempts + 1)
        for what in ("start", "end")
    )
    noted = Counter(line for lines in ledgers.values() for line in lines)
    assert noted - expected == Counter(), "ran too often"
    assert expected - noted == Counter(), "never ran"
    assert all(ledgers.values()), f"who did how much: { {name: len(lines) for name, lines in ledgers.items()} }"


async def _check_counts(loads: list[Load], link: Link, drivers: dict[str, NodeDriver]) -> None:
    done = sum(len(load.runs) - load.removed for load in loads)
    ours = await link.run(counts(KEYS))
    assert (ours.completed, ours.failed) == (done, 0)
    for driver in drivers.values():
        theirs = await driver.request("counts", None, {})
        assert {name: count for name, count in theirs.items() if count} == {"completed": done}


async def _content(redis: Redis) -> dict[str, Any]:
    found = strip_prefix(await dump(redis), KEYS.base)
    return {
        name: {"type": key.type, "value": dict(key.value) if key.type == "zset" else key.value}
        for name, key in found.items()
    }
