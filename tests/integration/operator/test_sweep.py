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

from bullpen.protocol import QueueKeys
from bullpen.protocol.slots import slot_of
from bullpen_operator.cluster.port import Kind
from bullpen_operator.cluster.recorder import Recorder
from bullpen_operator.engine.cache import Cache
from bullpen_operator.engine.execute import Executor
from bullpen_operator.engine.pools import Pools
from bullpen_operator.engine.secret_reader import secret_reader
from bullpen_operator.engine.sweep import Sweep
from bullpen_operator.queues.secrets import Locator
from bullpen_operator.serving.metrics import Metrics
from tests.integration import tls
from tests.integration.operator.rights import rights
from tests.integration.redis_server import RedisServer, free_port
from tests.integration.servers.cluster import Cluster, Migration
from tests.integration.servers.council import Council
from tests.unit.operator.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

TICK = 0.05


class Operator:
    """The engine as main.py puts it together, without a watch: tests tell the cache."""

    def __init__(self, group: asyncio.TaskGroup, *, tick: float = TICK) -> None:
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
            tick=tick,
            on_round_trip=self.metrics.round_trip,
        )
        self.tasks = [group.create_task(recorder.run()), group.create_task(self.sweep.run())]

    def stop(self) -> None:
        for task in self.tasks:
            task.cancel()

    def add_pool(self, name: str, **redis_spec: Any) -> None:
        self.cache.put(Kind.POOL, self.cluster.add_pool(name, redis=redis_spec))

    def message(self, name: str) -> str:
        conditions = self.cluster.pools[name]["status"]["conditions"]
        return next(str(each["message"]) for each in conditions if each["type"] == "QueueReachable")

    def found(self, name: str) -> str | None:
        conditions = self.cluster.pools[name].get("status", {}).get("conditions", [])
        return next((each["reason"] for each in conditions if each["type"] == "QueueFound"), None)

    def events(self) -> list[str]:
        return [event["reason"] for event in self.cluster.events.values()]

    def ticks(self) -> float:
        return self.metrics.registry.get_sample_value("bullpen_sweep_lag_seconds_count") or 0.0

    def wakes(self) -> float:
        return self.metrics.registry.get_sample_value("bullpen_wake_seconds_count") or 0.0

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
        made.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0.01)


def add_jobs(server: RedisServer, queue: str, count: int, **login: Any) -> None:
    now = str(int(time.time() * 1000))
    with redis.Redis(port=server.port, **login) as client:
        for _ in range(count):
            job = client.incr(f"bull:{queue}:id")
            client.hset(f"bull:{queue}:{job}", mapping={"name": "x", "data": "{}", "opts": "{}", "timestamp": now})
            client.lpush(f"bull:{queue}:wait", str(job))
            client.xadd(f"bull:{queue}:events", {"event": "added", "jobId": str(job), "name": "x"})


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


async def test_a_pool_at_zero_is_woken_long_before_the_next_tick(own_redis: RedisServer) -> None:
    async with asyncio.TaskGroup() as group:
        operator = Operator(group, tick=300)
        operator.add_pool("video", url=own_redis.url)
        operator.add_pool("audio", url=own_redis.url)
        await until(lambda: operator.replicas("video") == operator.replicas("audio") == 0)
        with redis.Redis(port=own_redis.port, protocol=2) as client:
            await until(lambda: int(client.info("clients")["blocked_clients"]) == 1)
        add_jobs(own_redis, "video", 25)
        await until(lambda: operator.replicas("video") == 3)
        assert operator.replicas("audio") == 0
        assert operator.wakes() == 1
        operator.stop()


async def test_pools_at_rest_are_read_seldom_and_woken_all_the_same(operator: Operator, own_redis: RedisServer) -> None:
    for number in range(20):
        operator.add_pool(f"p{number}", url=own_redis.url)
    await until(lambda: all(operator.reason(f"p{number}") == "Reachable" for number in range(20)))
    with redis.Redis(port=own_redis.port, protocol=2) as client:
        await until(lambda: int(client.info("clients")["blocked_clients"]) == 1)

        def readings() -> int:
            return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])

        before, ticks = readings(), operator.ticks()
        await until(lambda: operator.ticks() >= ticks + 40)
        assert readings() - before < 20 * 40 / 4
    add_jobs(own_redis, "p7", 5)
    await until(lambda: operator.replicas("p7") == 1)


async def test_a_queue_without_events_is_found_all_the_same(operator: Operator, own_redis: RedisServer) -> None:
    operator.add_pool("video", url=own_redis.url)
    await until(lambda: operator.reason("video") == "Reachable")
    with redis.Redis(port=own_redis.port, protocol=2) as client:
        await until(lambda: int(client.info("clients")["blocked_clients"]) == 1)
        client.incr("bull:video:id")
        client.hset("bull:video:1", mapping={"name": "x", "data": "{}", "opts": "{}", "timestamp": "1"})
        client.lpush("bull:video:wait", "1")
    await until(lambda: operator.replicas("video") == 1)


class TestAccidents:
    async def test_a_redis_emptied_under_the_sweep_shrinks_nothing_and_goes_on(
        self, operator: Operator, own_redis: RedisServer
    ) -> None:
        operator.add_pool("video", url=own_redis.url)
        await until(lambda: operator.replicas("video") == 0)
        add_jobs(own_redis, "video", 25)
        await until(lambda: operator.replicas("video") == 3)
        with redis.Redis(port=own_redis.port) as client:
            client.flushall()
            client.script_flush()
        await until(lambda: operator.found("video") == "QueueNotFound")
        assert operator.replicas("video") == 3
        assert operator.reason("video") == "Reachable"
        add_jobs(own_redis, "video", 35)
        await until(lambda: operator.found("video") == "QueueFound")

    async def test_a_slow_redis_is_read_and_slows_nobody_else(
        self, operator: Operator, own_redis: RedisServer, tmp_path: Path
    ) -> None:
        with another(tmp_path) as slow:
            operator.add_pool("slow", url=slow.url)
            operator.add_pool("video", url=own_redis.url)
            await until(lambda: operator.reason("slow") == operator.reason("video") == "Reachable")
            with redis.Redis(port=slow.port, protocol=2) as client:
                client.client_pause(2000)
            add_jobs(own_redis, "video", 5)
            async with asyncio.timeout(2):
                await until(lambda: operator.replicas("video") == 1)
            await asyncio.to_thread(add_jobs, slow, "slow", 5)
            await until(lambda: operator.replicas("slow") == 1)
            assert "QueueUnreachable" not in operator.events()

    async def test_a_key_of_another_type_stops_its_own_pool_until_it_is_gone(
        self, operator: Operator, own_redis: RedisServer
    ) -> None:
        operator.add_pool("video", url=own_redis.url)
        operator.add_pool("audio", url=own_redis.url)
        await until(lambda: operator.reason("video") == operator.reason("audio") == "Reachable")
        with redis.Redis(port=own_redis.port) as client:
            client.set("bull:video:wait", "no list")
            await until(lambda: operator.reason("video") == "QueueUnreadable")
            add_jobs(own_redis, "audio", 5)
            await until(lambda: operator.replicas("audio") == 1)
            client.delete("bull:video:wait")
        await until(lambda: operator.reason("video") == "Reachable")
        await until(lambda: "QueueRecovered" in operator.events())

    async def test_rights_that_are_missing_are_named_and_taken_up_when_given(
        self, operator: Operator, tmp_path: Path
    ) -> None:
        with (
            another(tmp_path, "--requirepass", "canary") as server,
            redis.Redis(port=server.port, password="canary") as client,
        ):
            client.acl_setuser("reader", enabled=True, passwords=["+canary"], keys=["bull:*"], commands=["+get"])
            operator.add_pool("video", url=f"redis://reader:canary@127.0.0.1:{server.port}/0")
            await until(lambda: operator.reason("video") == "PermissionDenied")
            assert "+evalsha" in operator.message("video")
            client.acl_setuser("reader", enabled=True, keys=["bull:*"], commands=rights())
            await until(lambda: operator.reason("video") == "Reachable")
            add_jobs(server, "video", 5, password="canary")
            await until(lambda: operator.replicas("video") == 1)

    async def test_a_failover_under_the_sweep(self, operator: Operator, tmp_path: Path) -> None:
        council = Council(tmp_path / "council")
        council.start()
        try:
            operator.add_pool("video", url=council.url)
            await until(lambda: operator.reason("video") == "Reachable")
            council.replicated()
            council.master.kill()
            await until(lambda: operator.reason("video") == "Unreachable")
            await until(lambda: operator.reason("video") == "Reachable")
            add_jobs(council.replica, "video", 15)
            await until(lambda: operator.replicas("video") == 2)
            council.master.start()
        finally:
            council.stop()

    async def test_a_slot_that_moves_under_the_sweep(self, operator: Operator, tmp_path: Path) -> None:
        cluster = Cluster(tmp_path / "cluster")
        cluster.start()
        try:
            operator.cache.put(
                Kind.POOL, operator.cluster.add_pool("video", queue="{video}", redis={"url": cluster.url})
            )
            await until(lambda: operator.reason("video") == "Reachable")
            migration = Migration(cluster, slot_of(QueueKeys("bull", "{video}")))
            migration.begin()
            await until(lambda: operator.reason("video") == "Unreachable")
            migration.move_keys()
            migration.end()
            await until(lambda: operator.reason("video") == "Reachable")
            add_jobs(migration.target, "{video}", 15)
            await until(lambda: operator.replicas("video") == 2)
        finally:
            cluster.stop()

    async def test_a_rotated_certificate_is_picked_up_when_redis_refuses_the_old_one(
        self, operator: Operator, tmp_path: Path
    ) -> None:
        old, new = tmp_path / "old", tmp_path / "new"
        for each in (old, new):
            each.mkdir()
        stale, path, port = tls.certificate(old).read_bytes(), tls.certificate(new), free_port()
        with another(tmp_path, *tls.tls_options(path, port)):
            operator.cluster.secrets["redis-ca"] = {"ca.crt": stale}
            operator.add_pool(
                "video",
                url=f"rediss://127.0.0.1:{port}",
                tls={"caFrom": {"secretKeyRef": {"name": "redis-ca", "key": "ca.crt"}}},
            )
            await until(lambda: operator.reason("video") == "TlsFailed")
            operator.cluster.secrets["redis-ca"] = {"ca.crt": path.read_bytes()}
            await until(lambda: operator.reason("video") == "Reachable")


@contextlib.contextmanager
def another(directory: Path, *arguments: str) -> Any:
    server = RedisServer(directory / "another", *arguments)
    server.start()
    try:
        yield server
    finally:
        server.stop()
