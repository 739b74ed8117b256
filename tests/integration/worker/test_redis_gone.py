"""Redis away, back with nothing, or with another password: the worker goes on by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis

from bullpen import App, Context
from bullpen.protocol import QueueKeys
from tests.integration.redis_server import RedisServer
from tests.integration.worker.house import ended, serving, until, working

KEYS = QueueKeys("bull", "videos")
RULES = "~bull:* +@read +@write -@dangerous +evalsha +script|load +time +client|setname +ping +info +client|list"


async def test_a_lock_that_went_with_redis_is_missed_at_once(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A server without persistence comes back empty; half a lock duration is too long to run for nothing."""
    told = asyncio.Event()
    async with App(redis=own_redis.url) as app:
        videos = app.queue("videos")

        @videos.job("wait")
        async def wait(data: object, ctx: Context) -> None:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                told.set()
                raise

        @videos.job("quick")
        async def quick(data: object) -> str:
            return "done"

        async with working(app, own_redis.url) as worker:
            await videos.add("wait")
            (queue,) = worker.health.queues
            await until(lambda: len(queue.running) == 1, "it runs")
            own_redis.kill()
            await until(lambda: "trying again until Redis answers" in caplog.text, "the outage is noticed")
            own_redis.start()
            async with asyncio.timeout(12):  # the lock itself is renewed every 15 s
                await told.wait()
            assert worker.health.leases is not None
            assert worker.health.leases.lost_locks == {"videos": 1}
            assert await (await videos.add("quick")).result(timeout=20) == "done"


def allow(server: RedisServer, password: str) -> None:
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "worker", "on", "resetpass", f">{password}", *RULES.split())


async def test_a_password_that_was_rotated_is_read_from_its_file(own_redis: RedisServer, tmp_path: Path) -> None:
    keys, secret = QueueKeys("bull", "video-generation"), tmp_path / "url"
    allow(own_redis, "first")
    secret.write_text(f"redis://worker:first@127.0.0.1:{own_redis.port}/0\n")
    async with App(redis=own_redis.url) as app:
        videos = app.queue("video-generation")
        log, raw = tmp_path / "log", redis.Redis(port=own_redis.port)
        with raw, serving("house_app:app", "", log, "--queue", videos.name, REDIS_URL_FILE=str(secret)) as process:
            await process.says("Worker ready")
            held = await videos.add("async-sleep", 5)
            await process.says(f"Job {held.id} started")
            allow(own_redis, "second")
            raw.client_kill_filter(user="worker")
            await process.says("refused the login: check user name and password")
            assert not process.ended
            secret.write_text(f"redis://worker:second@127.0.0.1:{own_redis.port}/0\n")
            (record,) = await ended(videos, held.id, seconds=40)
            later = await videos.add("quick", {"n": 1})
            assert await later.result(timeout=20) == {"doubled": 2}
            assert raw.ttl(keys.lock(held.id)) == -2
    assert (record.attempts_made, record.stalled_count, record.return_value) == (1, 0, "slept")
    assert "first" not in process.output
    assert "second" not in process.output
