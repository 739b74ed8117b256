"""Three real sentinels: the master goes, and work goes on with the one they elect."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import redis

from bullpen.client.blocking import BlockingLink
from bullpen.client.connection import Link
from bullpen.client.settings import RedisLocation
from bullpen.client.sync import SyncLink
from bullpen.errors import ConfigurationError, ConnectionLost
from bullpen.protocol import Call, QueueKeys
from bullpen.protocol.heartbeat import read_beats
from tests.integration.redis_server import RedisServer, free_port
from tests.integration.servers.council import Council, await_that
from tests.integration.servers.load import loaded
from tests.integration.worker.house import until

KEYS = QueueKeys("bull", "videos")
PORT = Call(command=("CONFIG", "GET", "port"), parse=lambda reply: int(reply[1]))


async def test_a_killed_master_loses_no_job_and_the_links_find_the_new_one(council: Council) -> None:
    async with loaded(council.url, "videos", stalled_seconds=2.0, lock_seconds=4.0) as (load,):
        council.replicated()
        council.master.kill()
        killed = time.monotonic()
        before = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > before + 20, "a producer finds the new master")
        found = time.monotonic() - killed
        await load.grows()
        load.stop()
        await load.everything_is_done(lost=True)
        assert load.failures < 1000  # bounded tries, no busy loop
        assert found < 20
        with redis.Redis(port=council.replica.port, decode_responses=True) as client:
            assert client.info("replication")["role"] == "master"
            # The thread's link: it beats on the new master.
            client.delete(KEYS.workers)
            await until(lambda: bool(client.exists(KEYS.workers)), "the heartbeat is back")
        # The blocking link: an idle worker hears of a job at once.
        await load.add("after the failover")
        await until(lambda: load.done["after the failover"] == 1, "an idle worker is woken")
    assert read_beats is not None
