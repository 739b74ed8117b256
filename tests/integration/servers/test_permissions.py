"""What a Redis user must be allowed to do: with these rules and no others, over TLS, a worker and a producer work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from bullpen import App, Context, Retry
from bullpen.client.sync import SyncLink
from bullpen.errors import BullpenError, ConfigurationError
from bullpen.protocol.calls import add
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.location import RedisLocation
from tests.integration import tls
from tests.integration.redis_server import RedisServer, free_port
from tests.integration.worker.house import until, working

# Data commands, those that wait and those inside scripts included; `-@dangerous` takes FLUSHALL and the like away.
DATA = ("~bull:*", "+@read", "+@write", "-@dangerous")
PRODUCER = (*DATA, "+evalsha", "+script|load")
WORKER = (*PRODUCER, "+time", "+client|setname")
# Without them all works; PING tells a bad start sooner, INFO is for the warning about maxmemory-policy and, with
# CLIENT LIST, for finding dead workers at once.
OPTIONAL = ("+ping", "+info")
# redis-py names itself to servers that know the command (7.2), and does not mind a refusal.
SETINFO = {"client|setinfo"}


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[RedisServer, str]]:
    """A server with TLS, and what its URLs end with."""
    path, port = tls.certificate(tmp_path), free_port()
    server = RedisServer(tmp_path / "redis", *tls.tls_options(path, port))
    server.start()
    yield server, f"127.0.0.1:{port}/0?ssl_ca_certs={path}"
    server.stop()


def allow(server: RedisServer, user: str, *rules: str) -> None:
    with redis.Redis(port=server.port) as client:
        client.execute_command("ACL", "SETUSER", user, "reset", "on", f">{user}-pw", *rules)


def denied(server: RedisServer) -> set[str]:
    with redis.Redis(port=server.port, decode_responses=True, protocol=2) as client:
        return {str(entry["object"]).lower() for entry in client.acl_log()}


async def exercise(worker_url: str, producer_url: str) -> None:
    """A bit of everything: results, progress, logs, delays, retries, priorities, a stalled check, a heartbeat."""
    async with App(redis=worker_url) as working_app, App(redis=producer_url) as app:
        tried: list[int] = []

        @working_app.queue("videos").job()
        async def anything(data: int, ctx: Context) -> int:
            ctx.progress(50)
            ctx.log("half way")
            tried.append(data)
            if tried.count(data) == 1:
                raise ValueError("the first time")
            return data

        async with working(working_app, worker_url, stalled_seconds=0.2):
            queue = app.queue("videos")
            retry = Retry(attempts=2, delay="10ms")
            jobs = [await queue.add("x", n, priority=n, delay=f"{n * 10}ms", retry=retry) for n in range(3)]
            assert await asyncio.gather(*(job.result(timeout=20) for job in jobs)) == [0, 1, 2]
            producer = await queue.producer()
            assert (await producer.counts()).completed == 3
            assert await producer.progress(jobs[0].id) == 50
            assert (await producer.logs(jobs[0].id)).count >= 1


async def test_a_worker_and_a_producer_need_these_rules_only(secured: tuple[RedisServer, str]) -> None:
    server, address = secured
    allow(server, "worker", *WORKER, *OPTIONAL)
    allow(server, "producer", *PRODUCER, *OPTIONAL)
    await exercise(f"rediss://worker:worker-pw@{address}", f"rediss://producer:producer-pw@{address}")
    assert denied(server) <= SETINFO


async def test_what_is_optional_may_be_left_out(secured: tuple[RedisServer, str]) -> None:
    server, address = secured
    allow(server, "worker", *WORKER)
    allow(server, "producer", *PRODUCER)
    await exercise(f"rediss://worker:worker-pw@{address}", f"rediss://producer:producer-pw@{address}")
    assert denied(server) <= {"ping", "info", "config|get"} | SETINFO


@pytest.mark.parametrize("rule", ["+evalsha", "+script|load", "+@read", "+@write", "~bull:*"])
async def test_a_rule_that_is_missing_is_told_in_one_sentence(secured: tuple[RedisServer, str], rule: str) -> None:
    server, address = secured
    allow(server, "producer", *(each for each in PRODUCER if each != rule))
    location = RedisLocation.parse(f"rediss://producer:producer-pw@{address}")
    with SyncLink(location) as link, pytest.raises(BullpenError) as told:
        link.run(add.add(QueueKeys("bull", "videos"), name="x", data="{}", now=1))
    assert "permission" in str(told.value) or "can't run this command" in str(told.value)
    assert "producer-pw" not in str(told.value)


async def test_a_worker_that_cannot_tell_the_time_misses_it(secured: tuple[RedisServer, str]) -> None:
    server, address = secured
    allow(server, "worker", *(each for each in WORKER if each != "+time"))
    url = f"rediss://worker:worker-pw@{address}"
    async with App(redis=url) as app:

        @app.queue("videos").job()
        async def anything(data: object) -> None: ...

        async with working(app, url):
            await until(lambda: "time" in denied(server), "TIME is missed")


async def test_a_worker_that_cannot_name_its_connections_does_not_start(secured: tuple[RedisServer, str]) -> None:
    """Peers know by the names who lives."""
    server, address = secured
    allow(server, "worker", *(each for each in WORKER if each != "+client|setname"))
    url = f"rediss://worker:worker-pw@{address}"
    async with App(redis=url) as app:

        @app.queue("videos").job()
        async def anything(data: object) -> None: ...

        with pytest.raises(ConfigurationError, match=r"client\|setname.*check the user's permissions"):
            async with working(app, url):
                pass


async def test_a_rule_that_only_a_look_at_the_workers_needs(secured: tuple[RedisServer, str]) -> None:
    server, address = secured
    allow(server, "producer", *PRODUCER)
    async with App(redis=f"rediss://producer:producer-pw@{address}") as app:
        with pytest.raises(ConfigurationError, match=r"does not allow CLIENT: .*check the user's permissions"):
            await app.queue("videos").workers()
        allow(server, "producer", *PRODUCER, "+client|list")
        assert await app.queue("videos").workers() == ()


async def test_keys_outside_the_prefix_are_nobodys(secured: tuple[RedisServer, str]) -> None:
    server, address = secured
    allow(server, "producer", *PRODUCER)
    link = SyncLink(RedisLocation.parse(f"rediss://producer:producer-pw@{address}"))
    with link, pytest.raises(ConfigurationError, match="check the user's permissions"):
        link.run(add.add(QueueKeys("theirs", "videos"), name="x", data="{}", now=1))
