"""Checklist: running workers and listeners, on the machine's clock (items 28, 42, 43, 91, 94, 95)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bullpen.client.connection import Link
from bullpen.protocol.calls import job as job_calls
from bullpen.protocol.calls.add import add
from bullpen.protocol.calls.clients import workers
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.options import JobOptions
from bullpen.webhook import Webhook
from tests.conformance.arena import Arena
from tests.conformance.compare import differences
from tests.conformance.live import WORKER_NAME, Serving, idle, nodes, ours, until
from tests.conformance.node_side import NodeSide
from tests.conformance.normalise import Normaliser
from tests.conformance.our_options import to_json
from tests.conformance.sides import PREFIX, QUEUE, UNDEFINED

KEYS = QueueKeys(PREFIX, QUEUE)
# Our worker looks again after 5 s, Node's is told to after 60 s: whoever starts a job within this was woken up.
WOKEN_SECONDS = 4.0
WORKERS = pytest.mark.parametrize("serving", [pytest.param(nodes, id="node-works"), pytest.param(ours, id="we-work")])


class Producers:
    """Adds jobs to one database: by Node, or by us."""

    def __init__(self, side: NodeSide, link: Link) -> None:
        self.side = side
        self.link = link

    async def node(self, data: Any = UNDEFINED, **opts: Any) -> str:
        # Not through the side, which reads the whole database after each operation: here it changes meanwhile.
        given = {} if data is UNDEFINED else {"data": data}
        return str(await self.side.driver.request("add", None, {"name": "paint", "opts": opts, **given}))

    async def ours(self, data: Any = UNDEFINED, *, delay: int = 0) -> str:
        text = "{}" if data is UNDEFINED else to_json(data)
        now = int(time.time() * 1000)
        call = add(KEYS, name="paint", data=text, now=now, options=JobOptions(delay=delay))
        return (await self.link.run(call)).job_id


@pytest_asyncio.fixture(loop_scope="session")
async def producers(arena: Arena) -> AsyncIterator[Producers]:
    """Node's queue and our link on the same, empty database, with the machine's clock."""
    connection = arena.node_redis.connection_pool.connection_kwargs
    location = RedisLocation.parse(f"redis://127.0.0.1:{connection['port']}/{connection['db']}")
    side = arena.node()
    side.now = None
    async with Link(location) as link, side.opened():
        yield Producers(side, link)


async def ended(arena: Arena, job_id: str, *, within: float = 10.0) -> dict[str, str]:
    """Wait for the end of a job; its hash."""

    async def finished() -> dict[str, str] | None:
        fields: Any = await arena.node_redis.hgetall(KEYS.job(job_id))
        return fields if "finishedOn" in fields else None

    return await until(finished, what=f"job {job_id} ends", within=within) or {}


@WORKERS
async def test_item_42_a_job_added_while_a_worker_blocks_is_started_at_once(
    serving: Serving, arena: Arena, producers: Producers
) -> None:
    async with serving(arena):
        for add_job in (producers.node, producers.ours, producers.node, producers.ours):
            await idle(arena.node_redis)
            added = await add_job({"return": 1})
            await ended(arena, added, within=WOKEN_SECONDS)


@WORKERS
async def test_item_43_a_delayed_job_is_started_when_it_is_due(
    serving: Serving, arena: Arena, producers: Producers
) -> None:
    async with serving(arena):
        for add_job in (producers.node, producers.ours):
            await idle(arena.node_redis)
            far = await add_job({}, delay=60_000)
            near = await add_job({}, delay=300)
            fields = await ended(arena, near, within=WOKEN_SECONDS)
            assert int(fields["timestamp"]) + 300 <= int(fields["processedOn"])
            assert "processedOn" not in await arena.node_redis.hgetall(KEYS.job(far))


async def test_node_keeps_the_webhook_that_its_producer_gives(producers: Producers, arena: Arena) -> None:
    """That is how jobs from Node bring their own: `add(name, data, {webhook: {url}})`."""
    webhook = {"url": "https://example.com/hooks", "on": ["failed"]}
    added = await producers.node(webhook=webhook, attempts=2)
    stored = JobOptions.parse(await arena.node_redis.hget(KEYS.job(added), "opts") or "")
    assert Webhook.parse(stored.extra["webhook"]) == Webhook("https://example.com/hooks", ["failed"])


@WORKERS
async def test_item_28_a_finish_frees_a_deduplication_id_unless_it_expires(
    serving: Serving, arena: Arena, producers: Producers
) -> None:
    async with serving(arena):
        for options, again in (({"id": "simple"}, True), ({"id": "throttle", "ttl": 60_000}, False)):
            first = await producers.node({"return": 1}, deduplication=options)
            await ended(arena, first)
            assert (await producers.node({"return": 1}, deduplication=options) != first) is again


@WORKERS
async def test_item_28_the_last_job_added_while_one_runs_runs_after_it(
    serving: Serving, arena: Arena, producers: Producers
) -> None:
    keep = {"id": "film", "keepLastIfActive": True}
    async with serving(arena):
        for ending in ({"return": 1}, {"throw": "broken"}):
            first = await producers.node({"ms": 500, **ending}, deduplication=keep)

            async def started(job_id: str = first) -> bool:
                return "processedOn" in await arena.node_redis.hgetall(KEYS.job(job_id))

            await until(started, what=f"job {first} starts")
            for n in (1, 2, 3):
                assert await producers.node({"n": n}, deduplication=keep) == first
            last = str(int(first) + 3)  # the id that its add would have used
            fields = await ended(arena, last)
            assert fields["data"] == '{"n":3}'

            async def free() -> bool:
                return not await arena.node_redis.exists(KEYS.dedup("film"), KEYS.dedup_next("film"))

            await until(free, what="the id is free again")


ENDINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({"return": "done"}, {"resolved": "done"}),
    "unicode": ({"return": '日本 ü \u2028 "\\ 🐂'}, {"resolved": '日本 ü \u2028 "\\ 🐂'}),
    "null": ({"return": None}, {"resolved": None}),
    "nothing": ({}, {"resolved": None}),
    "nested": ({"return": {"a": [1, {"b": None}], "ü": 0.1}}, {"resolved": {"a": [1, {"b": None}], "ü": 0.1}}),
    "empty": ({"return": []}, {"resolved": []}),
    "false": ({"return": False}, {"resolved": False}),
    "number": ({"return": 9007199254740991}, {"resolved": 9007199254740991}),
    "failure": ({"throw": 'no "paint"\nleft: ü'}, {"rejected": 'no "paint"\nleft: ü'}),
}


async def test_item_95_node_waits_for_jobs_of_our_worker(arena: Arena, producers: Producers) -> None:
    request = arena.driver.request
    await request("listen", None, {})
    async with ours(arena, concurrency=4):
        async with asyncio.TaskGroup() as group:
            waits = {}
            for name, (data, _) in ENDINGS.items():
                # Delayed a little, so that some listen before the end; those that are late ask (§7.5).
                added = await producers.node(data, delay=100)
                waits[name] = group.create_task(request("wait_until_finished", None, {"job_id": added, "ttl": 20_000}))
        late = await producers.node({"return": "late"})
        await ended(arena, late)
        assert await request("wait_until_finished", None, {"job_id": late, "ttl": 5_000}) == {"resolved": "late"}
    answers = {name: wait.result() for name, wait in waits.items()}
    assert answers == {name: expected for name, (_, expected) in ENDINGS.items()}


async def test_item_91_queue_events_parse_what_our_jobs_report(arena: Arena, producers: Producers) -> None:
    await arena.driver.request("listen", None, {})
    reports: list[Any] = [42, {"done": 3, "text": 'ü "é"'}, "half", [1], None, True]
    for report in reports:
        added = await producers.ours({"n": 1}, delay=60_000)
        await producers.link.run(job_calls.progress(KEYS, job_id=added, value=to_json(report)))

    async def heard() -> list[Any] | None:
        events = await arena.driver.request("heard", None, {})
        found = [event["data"] for event in events if event["event"] == "progress"]
        return found if len(found) == len(reports) else None

    assert await until(heard, what="QueueEvents hears of every report") == reports
    events = await arena.driver.request("heard", None, {})
    assert {type(event["delay"]) for event in events if event["event"] == "delayed"} == {int}


async def test_item_94_get_workers_lists_our_worker(arena: Arena, producers: Producers) -> None:
    async with ours(arena):
        listed = await arena.driver.request("workers", None, {})
        [seen] = await producers.link.run(workers(KEYS))
    async with nodes(arena):
        assert listed == await arena.driver.request("workers", None, {})
        [node_seen] = await producers.link.run(workers(KEYS))
    assert len(listed) == 1
    assert (seen.name, node_seen.name) == (WORKER_NAME, WORKER_NAME)


async def test_a_running_worker_leaves_what_nodes_worker_leaves(arena: Arena, producers: Producers) -> None:
    left = []
    for serving in (nodes, ours):
        await arena.node_redis.flushdb()
        side = producers.side
        side.normaliser = Normaliser(began=int(time.time() * 1000))
        # One job after another: what workers do at the same moment has no order to compare.
        async with serving(arena):
            for data, opts in (
                ({"return": {"ü": [1]}}, {}),
                ({"throw": "first"}, {"attempts": 2}),
                ({"throw": "later"}, {"attempts": 2, "backoff": {"type": "fixed", "delay": 50}}),
                ({"return": 1}, {"delay": 50}),
                ({"return": 1}, {"priority": 3}),
                ({"return": 1}, {"removeOnComplete": True, "jobId": "own"}),
                ({"return": 1}, {}),
            ):
                await idle(arena.node_redis)
                added = await producers.node(data, **opts)
                if "removeOnComplete" not in opts:
                    await ended(arena, added)
            await idle(arena.node_redis)
            left.append(await side.content())
    assert [str(difference) for difference in differences(left[0], left[1])] == []
