from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import pytest

from bullpen.protocol import QueueKeys
from tests.integration.client.desk import Desk
from tests.integration.redis_server import RedisServer, programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from bullpen.client.connection import Link


@pytest.fixture(scope="session", params=programs().items(), ids=itemgetter(0))
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Every version of Redis and Valkey there is, one after the other: what clients rely on must hold for all."""
    name, program = request.param
    server = RedisServer(tmp_path_factory.mktemp(name), program=program)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def desk(link: Link, raw: redis.Redis) -> Desk:
    return Desk(link=link, raw=raw, keys=QueueKeys("bull", "videos"))
