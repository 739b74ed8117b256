"""Three real sentinels: the master goes, and work goes on with the one they elect."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import redis

from bullpen.client.blocking import BlockingLink
from bullpen.client.connection import Link
from bullpen.client.sync import SyncLink
from bullpen.errors import ConfigurationError, ConnectionLost
from bullpen.protocol import Call, QueueKeys
from bullpen.protocol.location import RedisLocation
from tests.integration import tls
from tests.integration.redis_server import RedisServer, free_port
from tests.integration.servers.council import NAME, Council, Sentinel
from tests.integration.servers.load import loaded
from tests.integration.worker.house import until

KEYS = QueueKeys("bull", "videos")
PORT = Call(command=("CONFIG", "GET", "port"), parse=lambda reply: int(reply[1]))
WRITE = Call(command=("SET", "key", "value"), parse=bytes)


async def test_a_killed_master_loses_no_job_and_the_links_find_the_new_one(council: Council) -> None:
    async with loaded(council.url, "videos", stalled_seconds=2.0, lock_seconds=4.0) as (load,):
        council.replicated()
        council.master.kill()
        killed = time.monotonic()
        before = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > before + 20, "a producer finds the new master")
        found = time.monotonic() - killed
        await load.grows()
        load.stop()
        await load.everything_is_done(lost=True)
        assert load.failures < 1000  # bounded tries, no busy loop
        assert found < 20
        with redis.Redis(port=council.replica.port, decode_responses=True) as client:
            assert client.info("replication")["role"] == "master"
            # The thread's link: it beats on the new master.
            client.delete(KEYS.workers)
            await until(lambda: bool(client.exists(KEYS.workers)), "the heartbeat is back")
        # The blocking link: an idle worker hears of a job at once.
        await load.add("after the failover")
        await until(lambda: load.done["after the failover"] == 1, "an idle worker is woken")


async def test_a_link_leaves_a_master_that_does_not_know_yet_that_it_is_none(council: Council) -> None:
    async with Link(RedisLocation.parse(council.url)) as link:
        assert await link.run(PORT) == council.master.port
        await asyncio.to_thread(council.switch)
        # What is written to the old one from now on will be thrown away.
        await arrive(lambda: link.run(PORT), council.replica.port)
        with redis.Redis(port=council.master.port, decode_responses=True) as client:
            assert client.info("replication")["role"] == "master"


async def test_a_link_leaves_a_master_that_does_not_answer(council: Council) -> None:
    async with Link(RedisLocation.parse(council.url), timeout=100) as link:
        assert await link.run(PORT) == council.master.port
        os.kill(council.master.pid, signal.SIGSTOP)
        try:
            with pytest.raises(ConnectionLost, match="may or may not") as lost:
                await asyncio.wait_for(link.run(PORT), 30)
            assert lost.value.sent
            await arrive(lambda: link.run(PORT), council.replica.port)
        finally:
            os.kill(council.master.pid, signal.SIGCONT)


async def test_each_link_leaves_a_master_that_is_demoted(council: Council) -> None:
    location = RedisLocation.parse(council.url)
    async with Link(location) as link, BlockingLink(location) as blocking:
        with SyncLink(location) as thread:
            old, new = council.master.port, council.replica.port
            assert [await link.run(PORT), await blocking.run(PORT, block=0), thread.run(PORT)] == [old] * 3
            waiting = asyncio.create_task(blocking.run(Call(command=("BLPOP", "list", 30), parse=list), block=30))
            await until(lambda: blocked(council.master) == 1, "the blocking link waits")
            await asyncio.to_thread(council.switch)
            council.demote()
            with pytest.raises(ConnectionLost):
                await waiting
            await arrive(lambda: link.run(PORT), new)
            await arrive(lambda: blocking.run(PORT, block=0), new)
            await arrive(lambda: asyncio.to_thread(written_to, thread), new)
            assert await link.run(WRITE) == b"OK"


async def test_one_sentinel_is_gone_and_a_master_that_the_others_do_not_know_is_waited_for(council: Council) -> None:
    council.sentinels[0].kill()
    location = RedisLocation.parse(council.url)
    with SyncLink(location) as thread:
        assert thread.run(PORT) == council.master.port
    async with Link(location) as link:
        assert await link.run(PORT) == council.master.port
    unknown = RedisLocation.parse(council.url.replace("mymaster", "theirs"))
    with SyncLink(unknown) as thread, pytest.raises(ConnectionLost, match=r"name no master 'theirs'.*2 of 3 answered"):
        thread.run(PORT)
    async with Link(unknown, timeout=0.5) as link:
        with pytest.raises(ConnectionLost, match=r"name no master 'theirs'") as lost:
            await link.run(PORT)
        assert not lost.value.sent


async def test_no_sentinel_at_all() -> None:
    location = RedisLocation.parse(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/mymaster")
    with SyncLink(location) as thread, pytest.raises(ConnectionLost, match="0 of 2 answered"):
        thread.run(PORT)
    blocking = BlockingLink(location)
    with pytest.raises(ConnectionLost, match="0 of 2 answered"):
        await blocking.run(PORT, block=0)


async def test_a_login_for_the_sentinels_of_its_own(tmp_path: Path) -> None:
    master = RedisServer(tmp_path / "master", "--requirepass", "for-the-data")
    master.start()
    sentinel = Sentinel(tmp_path / "sentinel", master, "requirepass for-the-sentinel")
    sentinel.start()
    try:
        with redis.Redis(port=sentinel.port, password="for-the-sentinel") as client:
            client.execute_command("SENTINEL", "SET", NAME, "auth-pass", "for-the-data")
        url = f"redis+sentinel://:for-the-data@127.0.0.1:{sentinel.port}/{NAME}"
        with SyncLink(RedisLocation.parse(f"{url}?sentinel_password=for-the-sentinel")) as thread:
            await until(lambda: answers(thread), "the sentinel has reached the master")
        for wrong in (url, f"{url}?sentinel_password=wr0ng-pw"):
            async with Link(RedisLocation.parse(wrong)) as link:
                with pytest.raises(ConfigurationError, match="check sentinel_username and sentinel_password") as told:
                    await link.run(PORT)
                assert "wr0ng-pw" not in str(told.value)
                assert "for-the-data" not in str(told.value)
            with SyncLink(RedisLocation.parse(wrong)) as thread, pytest.raises(ConfigurationError):
                thread.run(PORT)
    finally:
        sentinel.stop()
        master.stop()


async def test_sentinels_with_tls(tmp_path: Path) -> None:
    path, port, sentinel_port = tls.certificate(tmp_path), free_port(), free_port()
    master = RedisServer(tmp_path / "master", *tls.tls_options(path, port))
    master.start()
    watched = RedisServer(tmp_path / "nowhere", port=port)  # what the sentinel is told: the master's port for TLS
    options = [each.removeprefix("--") for each in tls.tls_options(path, sentinel_port)]
    settings = [f"{name} {value}" for name, value in zip(options[::2], options[1::2], strict=True)]
    sentinel = Sentinel(tmp_path / "sentinel", watched, *settings, "tls-replication yes")
    sentinel.start()
    try:
        url = f"rediss+sentinel://127.0.0.1:{sentinel_port}/{NAME}?ssl_ca_certs={path}"
        with SyncLink(RedisLocation.parse(url)) as thread:
            await until(lambda: answers(thread), "the sentinel has reached the master")
        async with loaded(url, "videos") as (load,):
            load.stop()
            await load.everything_is_done()
        with SyncLink(RedisLocation.parse(url.partition("?")[0])) as thread, pytest.raises(ConnectionLost):
            thread.run(PORT)
    finally:
        sentinel.stop()
        master.stop()


async def test_a_server_that_is_no_master_is_not_written_to(tmp_path: Path) -> None:
    replica = RedisServer(tmp_path / "replica", "--replicaof", "127.0.0.1", str(free_port()))
    replica.start()
    sentinel = Sentinel(tmp_path / "sentinel", replica)
    sentinel.start()
    try:
        location = RedisLocation.parse(f"redis+sentinel://127.0.0.1:{sentinel.port}/{NAME}")
        with SyncLink(location) as thread, pytest.raises(ConnectionLost, match="is no master yet"):
            thread.run(PORT)
        async with Link(location, timeout=0.5) as link:
            with pytest.raises(ConnectionLost, match="is no master yet"):
                await link.run(PORT)
    finally:
        sentinel.stop()
        replica.stop()


async def test_a_server_that_is_no_sentinel(redis_url: str) -> None:
    host = redis_url.removeprefix("redis://").partition("/")[0]
    thread = SyncLink(RedisLocation.parse(f"redis+sentinel://{host}/mymaster"))
    with pytest.raises(ConfigurationError, match=r"is no sentinel .*check host and port"):
        thread.run(PORT)


async def arrive(ask: Callable[[], Awaitable[int]], port: int) -> None:
    """Ask until the answer comes from the server on that port."""
    async with asyncio.timeout(20):
        while True:
            try:
                if await ask() == port:
                    return
            except ConnectionLost:
                pass
            await asyncio.sleep(0.02)


def written_to(thread: SyncLink) -> int:
    """The port of a server that takes writes: reads may go on at the old one until Sentinel ends the connection."""
    thread.run(WRITE)
    return thread.run(PORT)


def blocked(server: RedisServer) -> int:
    with redis.Redis(port=server.port) as client:
        return int(client.info("clients")["blocked_clients"])


def answers(thread: SyncLink) -> bool:
    try:
        thread.run(PORT)
    except ConnectionLost:
        return False
    return True


async def test_closing_ends_the_listening_too_whatever_the_sentinels_do(council: Council) -> None:
    location = RedisLocation.parse(council.url)
    for turns in range(0, 100, 20):
        async with asyncio.timeout(20), Link(location) as link:
            assert await link.run(PORT) == council.master.port
            for _ in range(turns):
                await asyncio.sleep(0)
    async with asyncio.timeout(20), Link(location) as link:
        assert await link.run(PORT) == council.master.port
        for sentinel in council.sentinels:
            await asyncio.to_thread(sentinel.stop)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
