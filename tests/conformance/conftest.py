"""Real parts of the conformance tests: one Redis server, one Node process per BullMQ generation, our own Link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.conformance.arena import Arena, opened
from tests.conformance.node_side import PACKAGES, NodeDriver
from tests.integration.redis_server import RedisServer, programs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all of these tests on one event loop: the Node processes' pipes belong to it."""
    for test in items:
        if test.nodeid.startswith("tests/conformance/") and pytest_asyncio.is_async_test(test):
            test.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = programs()[os.environ.get("CONFORMANCE_SERVER", "installed")]
    server = RedisServer(tmp_path_factory.mktemp("redis"), program=program)
    server.start()
    yield server.port
    server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=sorted(PACKAGES), ids="bullmq{}".format)
async def driver(request: pytest.FixtureRequest, redis_port: int) -> AsyncIterator[NodeDriver]:
    """Node with one BullMQ generation; each keeps to the database of its own number."""
    started = await NodeDriver.start(request.param, port=redis_port, db=request.param)
    yield started
    await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def arena(driver: NodeDriver, redis_port: int) -> AsyncIterator[Arena]:
    """BullMQ and ours, each on a database that a scenario may empty."""
    async with opened(driver, redis_port) as arena:
        yield arena
