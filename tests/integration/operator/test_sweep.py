"""The sweep over real Redis servers, with the fake cluster of the unit tests at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from bullpen_operator.cluster.port import Kind
from bullpen_operator.cluster.recorder import Recorder
from bullpen_operator.engine.cache import Cache
from bullpen_operator.engine.execute import Executor
from bullpen_operator.engine.pools import Pools
from bullpen_operator.engine.secret_reader import secret_reader
from bullpen_operator.engine.sweep import Sweep
from bullpen_operator.queues.secrets import Locator
from bullpen_operator.serving.metrics import Metrics
from tests.integration.redis_server import RedisServer
from tests.unit.operator.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

TICK = 0.05


class Operator:
    """The engine as main.py puts it together, without a watch: tests tell the cache."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.cluster = FakeCluster()
        self.metrics = Metrics()
        self.cache = Cache(forgotten=lambda raw: pools.forget(raw))
        recorder = Recorder(self.cluster, instance="test")
        executor = Executor(cluster=self.cluster, cache=self.cache, may_write=lambda: True, clock=time.time)
        pools = Pools(
            cache=self.cache,
            executor=executor,
            recorder=recorder,
            meter=self.metrics,
            clock=time.time,
            spawn=group.create_task,
        )
        self.sweep = Sweep(
            pools=pools,
            locator=Locator(secret_reader(self.cluster), in_cluster=False),
            meter=self.metrics,
            clock=time.time,
            tick=TICK,
            on_round_trip=self.metrics.round_trip,
        )
        self.tasks = [group.create_task(recorder.run()), group.create_task(self.sweep.run())]

    def add_pool(self, name: str, **redis_spec: Any) -> None:
        self.cache.put(Kind.POOL, self.cluster.add_pool(name, redis=redis_spec))

    def replicas(self, name: str) -> int | None:
        deployment = self.cluster.deployments.get(name)
        return deployment["spec"]["replicas"] if deployment is not None else None

    def reason(self, name: str) -> str | None:
        conditions = self.cluster.pools[name].get("status", {}).get("conditions", [])
        return next((each["reason"] for each in conditions if each["type"] == "QueueReachable"), None)


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    async with asyncio.TaskGroup() as group:
        made = Operator(group)
        yield made
        for task in made.tasks:
            task.cancel()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0.01)


def add_jobs(server: RedisServer, queue: str, count: int) -> None:
    now = str(int(time.time() * 1000))
    with redis.Redis(port=server.port) as client:
        for _ in range(count):
            job = client.incr(f"bull:{queue}:id")
            client.hset(f"bull:{queue}:{job}", mapping={"name": "x", "data": "{}", "opts": "{}", "timestamp": now})
            client.lpush(f"bull:{queue}:wait", str(job))


async def test_a_job_leads_to_pods(operator: Operator, own_redis: RedisServer) -> None:
    operator.add_pool("video", url=own_redis.url)
    await until(lambda: operator.replicas("video") == 0)
    add_jobs(own_redis, "video", 25)
    await until(lambda: operator.replicas("video") == 3)


async def test_pools_of_one_redis_share_one_connection(operator: Operator, own_redis: RedisServer) -> None:
    for number in range(20):
        operator.add_pool(f"p{number}", url=own_redis.url)
    await until(lambda: all(operator.reason(f"p{number}") == "Reachable" for number in range(20)))
    with redis.Redis(port=own_redis.port, protocol=2) as client:
        others = [each for each in client.client_list() if each["cmd"].startswith("eval")]
    assert len(others) == 1


async def test_a_redis_that_hangs_does_not_hold_up_the_pools_of_another(
    operator: Operator, own_redis: RedisServer, tmp_path: Path
) -> None:
    with another(tmp_path) as hanging:
        operator.add_pool("stuck", url=hanging.url)
        operator.add_pool("video", url=own_redis.url)
        await until(lambda: operator.reason("stuck") == operator.reason("video") == "Reachable")
        os.kill(hanging.pid, signal.SIGSTOP)
        try:
            add_jobs(own_redis, "video", 5)
            async with asyncio.timeout(2):  # less than the time the hanging one is given
                await until(lambda: operator.replicas("video") == 1)
            await until(lambda: operator.reason("stuck") == "Unreachable")
        finally:
            os.kill(hanging.pid, signal.SIGCONT)
        await until(lambda: operator.reason("stuck") == "Reachable")


async def test_a_rotated_password_is_picked_up_when_redis_refuses_the_old_one(
    operator: Operator, tmp_path: Path
) -> None:
    with another(tmp_path, "--requirepass", "canary-two") as server:
        place = f"127.0.0.1:{server.port}/0"
        operator.cluster.secrets["bullpen-redis"] = {"url": f"redis://:canary-one@{place}".encode()}
        operator.add_pool("video", urlFrom={"secretKeyRef": {"name": "bullpen-redis", "key": "url"}})
        await until(lambda: operator.reason("video") == "AuthenticationFailed")
        operator.cluster.secrets["bullpen-redis"] = {"url": f"redis://:canary-two@{place}".encode()}
        await until(lambda: operator.reason("video") == "Reachable")
        await until(lambda: "QueueRecovered" in [event["reason"] for event in operator.cluster.events.values()])
    everything = f"{operator.cluster.pools}{operator.cluster.events}{operator.metrics.exposition()!r}"
    assert "canary-two" not in everything
    assert "canary-one" not in everything


async def test_a_url_that_breaks_the_client_leaves_the_other_pools_their_turns(
    operator: Operator, own_redis: RedisServer
) -> None:
    operator.add_pool("typo", url=f"{own_redis.url}/0?encoding=nonsense")
    operator.add_pool("video", url=own_redis.url)
    await until(lambda: operator.reason("typo") == "BadUrl")
    add_jobs(own_redis, "video", 5)
    await until(lambda: operator.replicas("video") == 1)


async def test_the_last_pool_of_a_redis_takes_its_connection_along(operator: Operator, own_redis: RedisServer) -> None:
    operator.add_pool("video", url=own_redis.url)
    await until(lambda: operator.reason("video") == "Reachable")
    operator.cache.remove(Kind.POOL, operator.cluster.pools.pop("video"))
    with redis.Redis(port=own_redis.port, protocol=2) as client:
        await until(lambda: len(client.client_list()) == 1)
    assert b'pool="video"' not in operator.metrics.exposition()


@contextlib.contextmanager
def another(directory: Path, *arguments: str) -> Any:
    server = RedisServer(directory / "another", *arguments)
    server.start()
    try:
        yield server
    finally:
        server.stop()
