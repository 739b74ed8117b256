"""Which workers serve a queue, by their connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.asyncio import Redis

from bullpen.protocol import QueueKeys
from tests.integration.worker.house import working

if TYPE_CHECKING:
    from bullpen import App

KEYS = QueueKeys("bull", "videos")


async def test_connected_workers_are_listed_by_name(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> str:
        return "done"

    assert await videos.workers() == ()
    others = [KEYS.client_name(), KEYS.listener_name, QueueKeys("bull", "videos2").client_name("x"), "videos"]
    clients = [Redis.from_url(redis_url, client_name=name) for name in others]
    for client in clients:
        await client.ping()
    async with working(app, redis_url):
        job = await videos.add("x")
        assert await job.result(timeout=10) == "done"
        found = await videos.workers()
        assert sorted(str(worker.name) for worker in found) == ["None", "test"]
        assert all(":" in worker.address and worker.connected_seconds >= 0 for worker in found)
    assert [worker.name for worker in await videos.workers()] == [None]
    for client in clients:
        await client.aclose()
