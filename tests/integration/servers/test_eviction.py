"""A server that evicts keys is told of once; whatever it answers, work goes on."""

from __future__ import annotations

import asyncio
import logging

import pytest
import redis

from bullpen import App
from tests.integration.redis_server import RedisServer
from tests.integration.worker.house import until, working


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "bullpen.Redis"]


async def used(url: str) -> None:
    """By a producer, and a worker, of one process."""
    async with App(redis=url) as app:

        @app.queue("videos").job()
        async def anything(data: object) -> object:
            return data

        async with working(app, url):
            job = await app.queue("videos").add("x", 1)
            assert await job.result(timeout=20) == 1
        checks = [task for task in asyncio.all_tasks() if task.get_name() == "bullpen-eviction-policy"]
        await until(lambda: all(task.done() for task in checks), "the policy was asked for")


@pytest.mark.parametrize(
    ("policy", "lost"),
    [("allkeys-lru", "drops any key, and jobs and whole queues vanish"), ("volatile-ttl", "locks, rate limits")],
)
async def test_a_policy_that_evicts_is_told_once(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture, policy: str, lost: str
) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("maxmemory-policy", policy)
    await used(own_redis.url)
    await used(own_redis.url)
    (line,) = warnings(caplog)
    assert f"{own_redis.port}/0 has maxmemory-policy {policy}" in line
    assert lost in line
    assert line.endswith("set maxmemory-policy noeviction")
    assert [record.levelno for record in caplog.records if record.name == "bullpen.Redis"] == [logging.WARNING]


async def test_noeviction_is_nothing_to_tell(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    await used(own_redis.url)
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("forbidden", "told"),
    [(["-info"], 1), (["-config"], 1), (["-info", "-config"], 0)],
    ids=["INFO", "CONFIG", "both"],
)
async def test_a_user_that_may_not_ask(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture, forbidden: list[str], told: int
) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("maxmemory-policy", "allkeys-random")
        client.acl_setuser("app", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", *forbidden])
    await used(f"redis://app:pw@127.0.0.1:{own_redis.port}")
    assert len(warnings(caplog)) == told
