"""Following the events of a queue, against a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import redis

from bullpen import App, ConfigurationError
from bullpen.client.reader import Events
from bullpen.protocol import QueueKeys
from bullpen.protocol.location import RedisLocation
from tests.integration.client.desk import Desk, completed, failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.redis_server import RedisServer


@pytest.fixture
async def app(redis_url: str) -> AsyncIterator[App]:
    async with App(redis=redis_url) as opened:
        yield opened


async def listening(desk: Desk) -> None:
    """Until the reader waits in Redis."""
    async with asyncio.timeout(20):
        while desk.raw.info("clients")["blocked_clients"] == 0:  # noqa: ASYNC110 - the server's state
            await asyncio.sleep(0.01)


async def taken(events: Events, count: int) -> list[str]:
    """The kinds and jobs of the next events."""
    async with asyncio.timeout(20):
        found = [await anext(events) for _ in range(count)]
    return [f"{event.kind} {event.job_id}" for event in found]


async def test_events_come_in_order_from_now_on(app: App, desk: Desk) -> None:
    await desk.add()
    async with app.queue("videos").events() as events:
        await desk.add(delay=5000)
        await desk.add()
        first, second = await desk.claim(1), await desk.claim(1)
        await desk.finish(completed(first[0], '{"url":"ü"}'), failed(second[0]))
        assert await taken(events, 3) == ["added 2", "delayed 2", "added 3"]
        async with asyncio.timeout(20):
            found = [await anext(events) for _ in range(6)]
    assert [event.kind for event in found] == [
        "waiting",
        "active",
        "active",
        "completed",
        "failed",
        "retries-exhausted",
    ]
    assert found[3].value() == {"url": "ü"}
    assert found[4].failed_reason == "boom"
    assert events.position == found[-1].id


async def test_a_reader_goes_on_from_an_id(app: App, desk: Desk) -> None:
    videos = app.queue("videos")
    await desk.add()
    await desk.add(delay=5000)
    async with videos.events(after="0-0") as events:
        assert await taken(events, 3) == ["added 1", "waiting 1", "added 2"]
        resume = events.position
    assert resume is not None
    async with videos.events(after=resume) as events:
        delayed = await anext(events)
    assert (delayed.kind, delayed.due_ms) == ("delayed", desk.now + 5000)


async def test_cut_connections_lose_and_repeat_nothing(app: App, desk: Desk) -> None:
    async with app.queue("videos").events() as events:
        expected: list[str] = []
        for number in range(1, 6):
            step = asyncio.create_task(taken(events, 1))
            await listening(desk)
            desk.raw.client_kill_filter(_type="normal", skipme=True)
            added = await desk_add(desk)
            expected += [f"added {added}", f"waiting {added}"]
            assert await step == expected[-2:-1], number
            assert await taken(events, 1) == expected[-1:]


async def desk_add(desk: Desk) -> str:
    """Add by the link that was cut as well: it says so until it is back."""
    async with asyncio.timeout(20):
        while desk.link.connected:  # noqa: ASYNC110 - the link's state has no event to wait for
            await asyncio.sleep(0.01)
    return await desk.add()


async def test_a_cancelled_step_loses_nothing(app: App, desk: Desk) -> None:
    async with app.queue("videos").events() as events:
        for _ in range(3):
            step = asyncio.create_task(taken(events, 1))
            await listening(desk)
            step.cancel()
            with pytest.raises(asyncio.CancelledError):
                await step
        await desk.add()
        assert await taken(events, 2) == ["added 1", "waiting 1"]


async def test_a_reader_outlives_a_server(own_redis: RedisServer) -> None:
    """What the new server has written after the reader's place comes; the old one's stream is gone with it."""
    async with App(redis=own_redis.url) as app:
        videos = app.queue("videos")
        async with videos.events() as events:
            await videos.add("render")
            assert await taken(events, 2) == ["added 1", "waiting 1"]
            step = asyncio.create_task(taken(events, 1))
            own_redis.kill()
            own_redis.start()
            with redis.Redis(port=own_redis.port) as client:
                client.xadd("bull:videos:events", {"event": "added", "jobId": "7"})
            assert await step == ["added 7"]


async def test_closing_ends_an_iteration_that_waits(app: App, desk: Desk) -> None:
    events = app.queue("videos").events()

    async def follow() -> list[str]:
        return [event.kind async for event in events]

    following = asyncio.create_task(follow())
    await listening(desk)
    await app.aclose()
    async with asyncio.timeout(20):
        assert await following == []
    await desk.add()
    assert await taken(events, 1) == ["added 1"]
    await events.aclose()


async def test_an_iteration_that_is_left_is_closed_with_the_app(redis_url: str, raw: redis.Redis, desk: Desk) -> None:
    await desk.add()
    async with App(redis=redis_url) as app:
        events = app.queue("videos").events(after="0-0")
        async for event in events:
            assert event.kind == "added"
            break
        name = QueueKeys("bull", "videos").listener_name
        assert name in [client["name"] for client in raw.client_list()]
    async with asyncio.timeout(20):
        while name in [client["name"] for client in raw.client_list()]:  # noqa: ASYNC110 - the server's state
            await asyncio.sleep(0.01)


async def test_what_is_no_place_in_the_stream_is_refused(app: App) -> None:
    for wrong in ("", "$", "yesterday", "1-2-3"):
        with pytest.raises(ConfigurationError, match="must be the id of an event"):
            app.queue("videos").events(after=wrong)


async def test_a_refused_login_ends_the_iteration(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("requirepass", "right")
    events = Events(QueueKeys("bull", "videos"), location=RedisLocation.parse(own_redis.url))
    with pytest.raises(ConfigurationError, match="refused the login"):
        await anext(events)
