"""Single adds that come at the same time and leave together: each must fare as it would have alone."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from bullpen.client.connection import Link
from bullpen.client.producer import Producer
from bullpen.errors import ConfigurationError, ConnectionLost, ProtocolError
from bullpen.protocol import Deduplication, JobOptions, QueueKeys
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.replies import Added
from tests.integration.client.desk import Desk
from tests.integration.worker.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.redis_server import RedisServer


@pytest.fixture
async def producer(desk: Desk, location: RedisLocation) -> AsyncIterator[Producer]:
    opened = Producer(link=desk.link, location=location, keys=desk.keys)
    yield opened
    await opened.aclose()


def scripts_run(desk: Desk) -> int:
    calls: int = desk.raw.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    return calls


async def test_adds_of_one_turn_leave_in_a_few_calls_and_in_their_order(producer: Producer, desk: Desk) -> None:
    await producer.add("first")
    desk.raw.delete("bull:videos:wait", "bull:videos:id")
    desk.raw.config_resetstat()
    added = await asyncio.gather(*(producer.add("render", {"n": n}) for n in range(100)))
    assert [each.job_id for each in added] == [str(n + 1) for n in range(100)]
    assert [desk.job(each.job_id)["data"] for each in added] == [f'{{"n":{n}}}' for n in range(100)]
    assert desk.list("wait") == [str(100 - n) for n in range(100)]
    assert 2 <= scripts_run(desk) <= 6  # one for the first, then 32 at a time


async def test_all_settings_and_outcomes_keep_to_their_own_job(producer: Producer, desk: Desk) -> None:
    once = JobOptions(deduplication=Deduplication("d"))
    added = await asyncio.gather(
        producer.add("a"),
        producer.add("a", options=JobOptions(job_id="mine")),
        producer.add("a", options=JobOptions(job_id="mine")),
        producer.add("a", options=once),
        producer.add("a", options=once),
        producer.add("a", options=JobOptions(delay=60_000)),
        producer.add("a", options=JobOptions(priority=7)),
        producer.add("a", options=JobOptions(lifo=True)),
    )
    owner = added[3].job_id
    assert added[1:5] == [
        Added("mine", False, False),
        Added("mine", True, False),
        Added(owner, False, False),
        Added(owner, False, True),
    ]
    assert desk.list("wait") == [owner, "mine", added[0].job_id, added[7].job_id]
    assert list(desk.scores("delayed")) == [added[5].job_id]
    assert list(desk.scores("prioritized")) == [added[6].job_id]


async def test_what_is_wrong_with_one_is_no_concern_of_the_others(producer: Producer, desk: Desk) -> None:
    desk.raw.rpush("bull:videos:de:bad", "no owner")
    outcomes = await asyncio.gather(
        producer.add("a"),
        producer.add("b"),
        producer.add("c", options=JobOptions(deduplication=Deduplication("bad"))),
        producer.add("d", object()),
        producer.add("e"),
        return_exceptions=True,
    )
    assert isinstance(outcomes[2], ProtocolError)
    assert "bull:videos:de:bad is a list" in str(outcomes[2])
    assert isinstance(outcomes[3], ConfigurationError)
    stored = [outcomes[place] for place in (0, 1, 4)]
    assert [desk.job(each.job_id)["name"] for each in stored if isinstance(each, Added)] == ["a", "b", "e"]
    assert len(desk.list("wait")) == 3


async def test_an_add_that_is_cancelled_before_it_leaves_is_not_made(producer: Producer, desk: Desk) -> None:
    tasks = [asyncio.create_task(producer.add("render", {"n": n})) for n in range(5)]
    await asyncio.sleep(0)  # all have begun, the last four wait for the end of this turn
    tasks[2].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(done[2], asyncio.CancelledError)
    assert sorted(desk.job(job)["data"] for job in desk.list("wait")) == ['{"n":0}', '{"n":1}', '{"n":3}', '{"n":4}']


async def test_a_link_that_is_closed_fails_each_of_them(producer: Producer, desk: Desk) -> None:
    tasks = [asyncio.create_task(producer.add("render")) for _ in range(5)]
    await asyncio.sleep(0)
    await desk.link.aclose()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, ConnectionLost) for each in done)
    assert len({id(each) for each in done}) == 5
    assert isinstance((await asyncio.gather(producer.add("late"), return_exceptions=True))[0], ConnectionLost)


async def test_a_reply_that_is_not_understood_leaves_nobody_waiting(redis_url: str) -> None:
    """As a proxy may mangle it, or a server of tomorrow say it."""
    async with Wire(redis_url) as wire:
        location = RedisLocation.parse(wire.url)
        async with Link(location) as link, asyncio.timeout(10):
            producer = Producer(link=link, location=location, keys=QueueKeys("bull", "videos"))
            wire.garble(b"*4\r\n$1\r\n2\r\n:0\r\n$1\r\n3\r\n:0\r\n", b"*1\r\n$1\r\n2\r\n")
            outcomes = await asyncio.gather(*(producer.add("render") for _ in range(3)), return_exceptions=True)
            wire.garble(b"*2\r\n$1\r\n5\r\n:0\r\n", b"*1\r\n$1\r\n5\r\n")
            alone = await asyncio.gather(*(producer.add("render") for _ in range(2)), return_exceptions=True)
            added = await producer.add("render")
    assert outcomes[0] == Added("1", False, False)
    for each in (*outcomes[1:], alone[1]):
        assert isinstance(each, ProtocolError)
        assert "is not understood" in str(each)
    assert outcomes[1] is not outcomes[2]
    assert added.job_id == "6"  # those above are there, once each


async def test_a_server_that_is_killed_leaves_each_add_in_doubt(own_redis: RedisServer) -> None:
    location = RedisLocation.parse(own_redis.url)
    async with Link(location) as link:
        producer = Producer(link=link, location=location, keys=QueueKeys("bull", "videos"))
        await producer.add("first")
        os.kill(own_redis.pid, signal.SIGSTOP)
        tasks = [asyncio.create_task(producer.add("render")) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        own_redis.kill()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, ConnectionLost) and each.sent for each in done)
