"""The marker wait on its own connection."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import redis

from bullpen.client.blocking import BlockingLink
from bullpen.errors import ConfigurationError, ConnectionLost, ProtocolError
from bullpen.protocol import Call, QueueKeys
from bullpen.protocol.calls import marker
from bullpen.protocol.location import RedisLocation
from tests.integration.client.desk import NOW, Desk
from tests.integration.redis_server import RedisServer, free_port

KEYS = QueueKeys("bull", "videos")
PING = Call(command=("PING",), parse=bytes)


async def until_blocked(client: redis.Redis) -> None:
    async with asyncio.timeout(20):
        while client.info("clients")["blocked_clients"] == 0:  # noqa: ASYNC110 - the server's state
            await asyncio.sleep(0.01)


async def test_a_job_that_is_added_wakes_the_waiter(desk: Desk, location: RedisLocation) -> None:  # 42
    async with BlockingLink(location) as blocking:
        waiting = asyncio.create_task(blocking.run(marker.wait(desk.keys, seconds=60), block=60))
        await until_blocked(desk.raw)
        await desk.add()
        assert await waiting == 0


async def test_a_delayed_job_tells_the_waiter_its_due_time(desk: Desk, location: RedisLocation) -> None:
    async with BlockingLink(location) as blocking:
        waiting = asyncio.create_task(blocking.run(marker.wait(desk.keys, seconds=60), block=60))
        await until_blocked(desk.raw)
        await desk.add(delay=5000)
        assert await waiting == NOW + 5000


async def test_the_end_of_the_block_time_is_no_error(location: RedisLocation) -> None:
    async with BlockingLink(location) as blocking:
        assert await blocking.run(marker.wait(KEYS, seconds=0.05), block=0.05) is None
        assert await blocking.run(PING, block=0) == b"PONG"


async def test_the_connection_bears_the_name_that_get_workers_looks_for(desk: Desk, location: RedisLocation) -> None:
    name = desk.keys.client_name("pod-1")
    async with BlockingLink(location, name=name) as blocking:
        await blocking.run(PING, block=0)
        assert name in [client["name"] for client in desk.raw.client_list()]


async def test_a_cancelled_wait_leaves_no_reply_and_no_waiter_behind(desk: Desk, location: RedisLocation) -> None:
    async with BlockingLink(location) as blocking:
        waiting = asyncio.create_task(blocking.run(marker.wait(desk.keys, seconds=60), block=60))
        await until_blocked(desk.raw)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await blocking.run(PING, block=0) == b"PONG"
        async with asyncio.timeout(20):
            while desk.raw.info("clients")["blocked_clients"]:  # noqa: ASYNC110 - the server's state
                await asyncio.sleep(0.01)
        await desk.add()
        assert desk.scores("marker") == {"0": 0.0}  # a waiter left behind would have eaten it


async def test_a_killed_server_is_an_error_and_later_calls_find_the_new_one(own_redis: RedisServer) -> None:
    async with BlockingLink(RedisLocation.parse(own_redis.url)) as blocking:
        waiting = asyncio.create_task(blocking.run(marker.wait(KEYS, seconds=60), block=60))
        with redis.Redis(port=own_redis.port) as client:
            await until_blocked(client)
        own_redis.kill()
        with pytest.raises(ConnectionLost, match="lost Redis at redis://127"):
            await waiting
        with pytest.raises(ConnectionLost, match="cannot reach Redis"):
            await blocking.run(PING, block=0)
        own_redis.start()
        assert await blocking.run(PING, block=0) == b"PONG"


async def test_a_frozen_server_is_noticed_soon_after_the_block_time(own_redis: RedisServer) -> None:
    async with BlockingLink(RedisLocation.parse(own_redis.url)) as blocking:
        await blocking.run(PING, block=0)
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            with pytest.raises(ConnectionLost, match="no reply in time"):
                await blocking.run(marker.wait(KEYS, seconds=0.1), block=0.1)
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        assert await blocking.run(PING, block=0) == b"PONG"


async def test_attempts_on_a_dead_server_pause_longer_and_longer() -> None:
    blocking = BlockingLink(RedisLocation.parse(f"redis://127.0.0.1:{free_port()}"))
    for _ in range(3):
        with pytest.raises(ConnectionLost, match="cannot reach Redis"):
            await blocking.run(PING, block=0)
    assert blocking._pauses.failures >= 3


async def test_refusals_keep_their_meaning(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.set(KEYS.marker, "no zset")
        client.config_set("requirepass", "right")
    async with BlockingLink(RedisLocation.parse(own_redis.url)) as blocking:
        with pytest.raises(ConfigurationError, match="refused the login"):
            await blocking.run(PING, block=0)
    async with BlockingLink(RedisLocation.parse(f"redis://:right@127.0.0.1:{own_redis.port}")) as blocking:
        with pytest.raises(ProtocolError, match=r"refused BZPOPMIN bull:videos:marker: WRONGTYPE"):
            await blocking.run(marker.wait(KEYS, seconds=1), block=1)
