"""Real servers for integration tests. One redis-server a session; every test gets an empty database of it."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import pytest
import redis

from bullpen.client.connection import Link
from bullpen.protocol.location import RedisLocation
from tests.integration.redis_server import DATABASES, RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_databases = itertools.cycle(range(DATABASES))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The shared server; tests use `redis_url` and leave its life alone."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty database of its own."""
    url = f"{redis_server.url}/{next(_databases)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def location(redis_url: str) -> RedisLocation:
    return RedisLocation.parse(redis_url)


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """The same database through redis-py, for looking at keys."""
    with redis.Redis.from_url(redis_url, decode_responses=True, protocol=2) as client:
        yield client


@pytest.fixture
async def link(location: RedisLocation) -> AsyncIterator[Link]:
    """A link to the test's database."""
    async with Link(location) as opened:
        yield opened


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, to be killed and restarted at will."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The command, run in this process, logs to what is standard output at the time, which ends with the test."""
    yield
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if type(each) is not logging.StreamHandler]
