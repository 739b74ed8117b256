from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from bullpen import App
from tests.integration.redis_server import RedisServer
from tests.reliability.counts import TIMEOUT
from tests.reliability.fleet import Fleet


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Each write is on disk before it is acknowledged: a server that is killed forgets nothing."""
    made = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def raw(server: RedisServer) -> Iterator[Any]:
    with redis.Redis.from_url(server.url, decode_responses=True, protocol=2) as client:
        yield client


@pytest.fixture
async def app(server: RedisServer) -> Any:
    async with App(redis=server.url) as opened:
        yield opened


@pytest.fixture
def fleet(server: RedisServer, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(server.url, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Say what was measured, in a line of its own that `-s` or a failure shows, and in a file that is asked for."""

    def say(**values: Any) -> None:
        line = json.dumps({"test": request.node.name, **values})
        print(line)
        if path := os.environ.get("RELIABILITY_FIGURES"):
            with Path(path).open("a", encoding="utf-8") as out:
                out.write(f"{line}\n")

    return say
