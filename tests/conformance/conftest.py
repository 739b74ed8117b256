"""Real parts of the conformance tests: one Redis server, one Node process per BullMQ generation, our own Link."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from tests.conformance.arena import Arena
from tests.conformance.node_side import PACKAGES, NodeDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bullpen.protocol.call import Call

T = TypeVar("T")
OUR_DB = 9  # Node's databases are numbered by their generation


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all of these tests on one event loop: the Node processes' pipes belong to it."""
    for test in items:
        if "tests/conformance/" in test.nodeid and pytest_asyncio.is_async_test(test):
            test.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.fail("redis-server is not on PATH")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        [binary, "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.02)
    yield port
    server.terminate()
    server.wait(10)


class EvalRunner:
    def __init__(self, redis: Any) -> None:
        self.redis = redis

    async def run(self, call: Call[T]) -> T:
        if call.script is None:
            reply = await self.redis.execute_command(*call.command)
        else:
            reply = await self.redis.execute_command("EVAL", call.script.text, 1, *call.command)
        return call.parse(reply)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=sorted(PACKAGES), ids="bullmq{}".format)
async def driver(request: pytest.FixtureRequest, redis_port: int) -> AsyncIterator[NodeDriver]:
    """Node with one BullMQ generation; each keeps to the database of its own number."""
    started = await NodeDriver.start(request.param, port=redis_port, db=request.param)
    yield started
    await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def arena(driver: NodeDriver, redis_port: int) -> AsyncIterator[Arena]:
    node = Redis(port=redis_port, db=driver.generation, decode_responses=True)
    ours = Redis(port=redis_port, db=OUR_DB, decode_responses=True)
    raw = Redis(port=redis_port, db=OUR_DB, protocol=2)
    async with node, ours, raw:
        yield Arena(driver.generation, driver, node, ours, EvalRunner(raw))
