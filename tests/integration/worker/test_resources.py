"""Resources and lifespans: made once, in order, given by type, closed in reverse order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import pytest

from bullpen import App, BullpenError, ConfigurationError, Context
from tests.integration.worker.house import working

told: list[str] = []


class Settings:
    """Made by a plain function."""


class Pool:
    """Opened by an async context manager."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class Model:
    """Opened by a generator."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool


class Session:
    """Opened by a context manager."""


class Cache:
    """Made by an async function."""


def declare(app: App) -> None:
    told.clear()

    @app.resource
    def model(pool: Pool) -> Iterator[Model]:
        told.append("model")
        yield Model(pool)
        told.append("no model")

    @app.resource
    @asynccontextmanager
    async def pool(settings: Settings) -> AsyncIterator[Pool]:
        told.append("pool")
        yield Pool(settings)
        told.append("no pool")

    @app.resource
    def settings() -> Settings:
        told.append("settings")
        return Settings()

    @app.resource
    @contextmanager
    def session() -> Iterator[Session]:
        told.append("session")
        yield Session()
        told.append("no session")

    @app.resource
    async def cache() -> Cache:
        told.append("cache")
        return Cache()

    @app.resource
    async def unused() -> AsyncIterator[Annotated[Cache, "unused"]]:
        told.append("unused")
        yield Cache()


async def test_jobs_get_what_they_ask_for_and_all_is_closed_in_reverse_order(app: App, redis_url: str) -> None:
    declare(app)
    videos = app.queue("videos")
    pools: list[Pool] = []

    @app.lifespan
    async def life() -> AsyncIterator[None]:
        told.append("life")
        yield
        told.append("no life")

    @videos.job("render")
    async def render(data: int, model: Model, ctx: Context, *, cache: Cache) -> int:
        pools.append(model.pool)
        assert isinstance(cache, Cache)
        assert ctx.name == "render"
        return data

    @videos.job("cut")
    def cut(data: int, pool: Pool, *, session: Session, ctx: Context, verbose: bool = False) -> int:
        pools.append(pool)
        assert isinstance(session, Session)
        assert ctx.name == "cut"
        return data * 10

    async with working(app, redis_url):
        assert told == ["life", "settings", "pool", "model", "cache", "session"]
        jobs = [await videos.add(name, number) for number in range(3) for name in ("render", "cut")]
        assert [await job.result(timeout=10) for job in jobs] == [0, 0, 1, 10, 2, 20]
    assert len(set(map(id, pools))) == 1
    assert told[6:] == ["no session", "no model", "no pool", "no life"]


async def test_a_resource_that_cannot_be_made_stops_the_worker_in_one_line(app: App, redis_url: str) -> None:
    declare(app)

    @app.resource
    def broken(model: Model) -> str:
        raise OSError("no such\ndatabase")

    @app.queue("videos").job()
    async def anything(data: object, text: str) -> None: ...

    with pytest.raises(BullpenError, match=r"^resource str \(.*broken\) could not be made: OSError: no such database$"):
        async with working(app, redis_url):
            pytest.fail("it serves")
    assert told == ["settings", "pool", "model", "no model", "no pool"]


async def test_a_lifespan_that_cannot_begin_stops_the_worker(app: App, redis_url: str) -> None:
    @app.lifespan
    async def life() -> AsyncIterator[None]:
        if app.prefix:
            raise OSError("no such host")
        yield

    @app.queue("videos").job()
    async def anything(data: object) -> None: ...

    with pytest.raises(BullpenError, match=r"^lifespan .*life could not begin: OSError: no such host$"):
        async with working(app, redis_url):
            pytest.fail("it serves")


async def test_a_worker_stops_while_a_resource_is_being_made(app: App, redis_url: str) -> None:
    declare(app)
    making = asyncio.Event()

    @app.resource
    async def slow(model: Model) -> AsyncIterator[bytes]:
        making.set()
        await asyncio.Event().wait()
        yield b""

    @app.queue("videos").job()
    async def anything(data: object, text: bytes) -> None: ...

    from bullpen.cli.serve import served_queues
    from bullpen.protocol.location import RedisLocation
    from bullpen.runtime.settings import Settings as WorkerSettings
    from bullpen.runtime.worker import Worker

    location = RedisLocation.parse(redis_url)
    worker = Worker(served_queues(app, None), WorkerSettings(redis=lambda: location, pod_name="test"))
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(making.wait(), 20)
    worker.stop()
    await asyncio.wait_for(running, 20)
    assert told[-2:] == ["no model", "no pool"]


async def test_what_closes_badly_does_not_keep_the_others_open(
    app: App, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    declare(app)

    @app.resource
    async def sticky(model: Model) -> AsyncIterator[str]:
        yield "x"
        raise OSError("cannot close")

    @app.queue("videos").job()
    async def anything(data: object, text: str) -> None: ...

    with caplog.at_level(logging.ERROR):
        async with working(app, redis_url):
            pass
    assert "sticky): closing it raised OSError: cannot close" in caplog.text
    assert told[-2:] == ["no model", "no pool"]


async def test_a_job_that_asks_for_what_nobody_provides_is_refused_at_the_start(app: App, redis_url: str) -> None:
    @app.queue("videos").job("render")
    async def render(data: object, pool: Pool) -> None: ...

    expected = r"^job 'render' \(.*render\): parameter 'pool' asks for Pool, which no @app.resource provides"
    with pytest.raises(ConfigurationError, match=expected):
        async with working(app, redis_url):
            pytest.fail("it serves")
