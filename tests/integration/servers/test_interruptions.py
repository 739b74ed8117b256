"""What happens to a server in the middle of load, on every version: scripts forgotten, a restart, a kill."""

from __future__ import annotations

import asyncio

import redis

from tests.integration.redis_server import RedisServer
from tests.integration.servers.load import loaded


async def test_scripts_that_are_flushed_are_loaded_again(persistent: RedisServer) -> None:
    with redis.Redis(port=persistent.port) as client:
        async with loaded(persistent.url, "videos") as (load,):
            for _ in range(10):
                client.script_flush()
                await load.grows(by=10)
            load.stop()
            await load.everything_is_done()
            assert load.failures == 0
            assert max(load.done.values()) == 1


async def test_a_server_that_is_shut_down_or_killed_and_comes_back(persistent: RedisServer) -> None:
    async with loaded(persistent.url, "videos", stalled_seconds=1.0, lock_seconds=4.0) as (load,):
        for end in (persistent.stop, persistent.kill):
            await asyncio.to_thread(end)
            await asyncio.to_thread(persistent.start)
            await load.grows()
        load.stop()
        await load.everything_is_done()
        job = await load.queue.add("step", "with a result")
        assert await job.result(timeout=20) == "with a result"
