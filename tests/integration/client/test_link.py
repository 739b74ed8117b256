"""The multiplexed connection against a real server."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
import redis

from bullpen.client.connection import Link
from bullpen.errors import ConfigurationError, ConnectionLost, ProtocolError
from bullpen.protocol import Call, QueueKeys
from bullpen.protocol.calls import add, read
from bullpen.protocol.location import RedisLocation
from tests.integration.redis_server import RedisServer, free_port

KEYS = QueueKeys("bull", "videos")


def plain(*command: str | int) -> Call[object]:
    return Call(command=command, parse=lambda reply: reply)


async def until(link: Link, *, connected: bool) -> None:
    async with asyncio.timeout(20):
        while link.connected is not connected:  # noqa: ASYNC110 - the link's state has no event to wait for
            await asyncio.sleep(0.01)


async def until_blocked(server: RedisServer) -> None:
    with redis.Redis(port=server.port) as client:
        async with asyncio.timeout(20):
            while client.info("clients")["blocked_clients"] == 0:  # noqa: ASYNC110 - the server's state
                await asyncio.sleep(0.01)


async def test_replies_reach_the_callers_that_asked(link: Link) -> None:
    replies = await asyncio.gather(*(link.run(plain("ECHO", f"word {n}")) for n in range(2000)))
    assert replies == [b"word %d" % n for n in range(2000)]


async def test_calls_of_one_turn_arrive_in_their_order(link: Link) -> None:
    for n in range(100):
        link.submit(plain("RPUSH", "list", n))
    assert await link.run(plain("LRANGE", "list", 0, -1)) == [b"%d" % n for n in range(100)]


async def test_calls_of_one_turn_leave_in_one_write(link: Link, raw: redis.Redis) -> None:
    await link.run(plain("PING"))
    before = raw.info("stats")["total_reads_processed"]
    await asyncio.gather(*(link.run(plain("PING")) for _ in range(500)))
    # One read for the batch and one for the INFO itself; a read for each command would be 500.
    assert raw.info("stats")["total_reads_processed"] - before < 20


async def test_a_script_is_loaded_on_first_use_and_again_after_a_flush(link: Link, raw: redis.Redis) -> None:
    raw.script_flush()
    first = await link.run(add.add(KEYS, name="render", data="{}", now=1))
    raw.script_flush()
    rest = await asyncio.gather(*(link.run(add.add(KEYS, name="render", data="{}", now=1)) for _ in range(50)))
    assert first.job_id == "1"
    assert sorted(int(added.job_id) for added in rest) == list(range(2, 52))


async def test_an_error_reply_fails_its_own_call_only(link: Link) -> None:
    await link.run(plain("SET", "text", "x"))
    before, refused, after = await asyncio.gather(
        link.run(plain("ECHO", "before")),
        link.run(plain("LPUSH", "text", "y")),
        link.run(plain("ECHO", "after")),
        return_exceptions=True,
    )
    assert (before, after) == (b"before", b"after")
    assert isinstance(refused, ProtocolError)
    assert "WRONGTYPE" in str(refused)
    assert "LPUSH" in str(refused)


async def test_an_error_inside_a_script_names_the_script(link: Link) -> None:
    await link.run(plain("SET", KEYS.meta, "no hash"))
    with pytest.raises(ProtocolError, match=r"script add.*WRONGTYPE"):
        await link.run(add.add(KEYS, name="render", data="{}", now=1))


async def test_a_cancelled_call_takes_no_other_reply(link: Link) -> None:
    await link.run(plain("PING"))
    for _ in range(50):
        cancelled = asyncio.create_task(link.run(plain("ECHO", "cancelled")))
        await asyncio.sleep(0)  # submitted
        await asyncio.sleep(0)  # sent
        cancelled.cancel()
        assert await link.run(plain("ECHO", "kept")) == b"kept"
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def test_a_call_cancelled_before_the_write_is_not_sent(link: Link) -> None:
    await link.run(plain("PING"))
    future = link.submit(plain("SET", "never", "1"))
    future.cancel()
    assert await link.run(plain("EXISTS", "never")) == 0


async def test_a_killed_server_fails_calls_in_flight_and_the_link_comes_back(own_redis: RedisServer) -> None:
    async with Link(RedisLocation.parse(own_redis.url)) as link:
        await link.run(add.add(KEYS, name="render", data="{}", now=1))
        waiting = asyncio.create_task(link.run(plain("BLPOP", "nothing", 0)))
        await until_blocked(own_redis)
        own_redis.kill()
        with pytest.raises(ConnectionLost, match="may or may not") as lost:
            await waiting
        assert lost.value.sent
        counted = asyncio.create_task(link.run(read.counts(KEYS)))
        await asyncio.sleep(0.05)
        assert not counted.done()
        own_redis.start()
        assert (await counted).waiting == 0  # a new, empty server, whose scripts were loaded again


async def test_a_server_that_never_comes_fails_unsent_calls_in_bounded_time() -> None:
    location = RedisLocation.parse(f"redis://127.0.0.1:{free_port()}")
    async with Link(location, timeout=0.3) as link:
        started = time.monotonic()
        with pytest.raises(
            ConnectionLost, match=r"not reached within 0.3 s: cannot reach Redis at redis://127"
        ) as lost:
            await link.run(plain("PING"))
        assert not lost.value.sent
        assert time.monotonic() - started < 10


async def test_a_frozen_server_is_given_up_and_found_again(own_redis: RedisServer) -> None:
    async with Link(RedisLocation.parse(own_redis.url), timeout=0.5) as link:
        await link.run(plain("PING"))
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            with pytest.raises(ConnectionLost, match=r"no answer within 0.5 s") as lost:
                await link.run(plain("PING"))
            assert lost.value.sent
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        await until(link, connected=True)
        assert await link.run(plain("PING")) == b"PONG"


async def test_calls_wait_while_the_server_restarts(own_redis: RedisServer) -> None:
    async with Link(RedisLocation.parse(own_redis.url)) as link:
        await link.run(plain("PING"))
        own_redis.stop()
        await until(link, connected=False)
        waiting = [asyncio.create_task(link.run(plain("ECHO", n))) for n in range(10)]
        own_redis.start()
        assert await asyncio.gather(*waiting) == [b"%d" % n for n in range(10)]


async def test_a_wrong_password_is_one_clear_error_without_the_password(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("requirepass", "right")
    for url in (f"redis://:wr0ng-pw@127.0.0.1:{own_redis.port}", own_redis.url):
        async with Link(RedisLocation.parse(url)) as link:
            with pytest.raises(
                ConfigurationError, match=rf"redis://127\.0\.0\.1:{own_redis.port}/0 refused"
            ) as refused:
                await link.run(plain("PING"))
            assert "wr0ng-pw" not in repr(refused.value)


async def test_a_rotated_password_is_read_anew(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("requirepass", "second")
    passwords = iter(["first", "first", "second"])
    asked: list[str] = []

    def source() -> RedisLocation:
        asked.append(next(passwords, "second"))
        return RedisLocation.parse(f"redis://:{asked[-1]}@127.0.0.1:{own_redis.port}")

    async with Link(source) as link:
        with pytest.raises(ConfigurationError, match="refused the login"):
            await link.run(plain("PING"))
        await until(link, connected=True)
        assert await link.run(plain("PING")) == b"PONG"
    assert asked == ["first", "first", "second"]


async def test_a_database_out_of_range_is_a_configuration_error(own_redis: RedisServer) -> None:
    async with Link(RedisLocation.parse(f"{own_redis.url}/999")) as link:
        with pytest.raises(ConfigurationError, match="no such database"):
            await link.run(plain("PING"))


async def test_a_forbidden_command_is_a_configuration_error(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.acl_setuser("app", enabled=True, passwords=["+pw"], categories=["+@all"], commands=["-set"], keys=["*"])
    async with Link(RedisLocation.parse(f"redis://app:pw@127.0.0.1:{own_redis.port}")) as link:
        with pytest.raises(ConfigurationError, match=r"does not allow SET.*NOPERM"):
            await link.run(plain("SET", "a", "b"))
        assert await link.run(plain("GET", "a")) is None


async def test_closing_fails_what_still_waits(redis_url: str) -> None:
    async with Link(RedisLocation.parse(redis_url)) as link:
        await link.run(plain("PING"))
        waiting = asyncio.create_task(link.run(plain("BLPOP", "nothing", 0)))
        await asyncio.sleep(0.05)
    with pytest.raises(ConnectionLost, match="closed"):
        await waiting
    with pytest.raises(ConnectionLost, match="was closed"):
        await link.run(plain("PING"))


async def test_closing_before_the_first_connection_leaves_nothing_behind() -> None:
    async with Link(RedisLocation.parse(f"redis://127.0.0.1:{free_port()}")) as link:
        waiting = asyncio.create_task(link.run(plain("PING")))
        await asyncio.sleep(0)
    with pytest.raises(ConnectionLost, match="was closed"):
        await waiting
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_closing_at_any_moment_of_connecting_ends_at_once(location: RedisLocation) -> None:
    for turns in range(40):
        async with asyncio.timeout(20):
            async with Link(location):
                for _ in range(turns):
                    await asyncio.sleep(0)
                    time.sleep(0.001)  # noqa: ASYNC251 - so that every turn has something to read
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_link_that_was_not_opened_says_so(location: RedisLocation) -> None:
    with pytest.raises(ConnectionLost, match="has not been opened"):
        await Link(location).run(plain("PING"))


async def test_a_failing_source_fails_the_calls_with_its_own_error() -> None:
    def source() -> RedisLocation:
        raise ConfigurationError("REDIS_URL_FILE is /nowhere: no such file")

    async with Link(source) as link:
        with pytest.raises(ConfigurationError, match="REDIS_URL_FILE is /nowhere"):
            await link.run(plain("PING"))


async def test_an_argument_that_is_no_redis_value_fails_at_the_caller(link: Link) -> None:
    with pytest.raises(TypeError):
        await link.run(plain("SET", "key", None))  # type: ignore[arg-type]
    assert await link.run(plain("PING")) == b"PONG"
