"""What a Redis can do to the operator, done by a real one: the reason, the sentence, and the way back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
import redis

from bullpen_operator.api.reasons import Reason
from bullpen_operator.queues.endpoint import Endpoint
from bullpen_operator.queues.location import BadUrlError, Location
from bullpen_operator.queues.question import Question
from bullpen_operator.scaling.observation import QueueReading, ReadingFailed
from tests.integration.redis_server import RedisServer, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

SECRET = "correct-horse"
NEEDS = ["+eval", "+evalsha", "+llen", "+zcard", "+zcount", "+zrange", "+zrangebyscore", "+lrange", "+hmget", "+exists"]
NEEDS += ["+get", "+pttl", "+hgetall", "+time", "+mget", "+hget", "+xrevrange", "+xread"]


@contextlib.asynccontextmanager
async def reader(url: str, *, timeout: float = 3.0) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(Location.parse(url), on_round_trip=lambda _seconds, _ok: None, timeout=timeout)
    try:
        yield endpoint
    finally:
        await endpoint.close()


async def read(
    endpoint: Endpoint, queue: str = "video", *, now: float = 1_700_000_000.0
) -> QueueReading | ReadingFailed:
    question = Question("bull", queue)
    return (await endpoint.read([question], now=now))[question]


async def failure(url: str, queue: str = "video", *, timeout: float = 3.0) -> ReadingFailed:
    async with reader(url, timeout=timeout) as endpoint:
        answer = await read(endpoint, queue)
    assert isinstance(answer, ReadingFailed), answer
    assert SECRET not in answer.message
    return answer


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that wants a password."""
    server = RedisServer(tmp_path / "redis", "--requirepass", SECRET)
    server.start()
    yield server
    server.stop()


def admin(server: RedisServer) -> redis.Redis:
    return redis.Redis(port=server.port, password=SECRET, protocol=2, decode_responses=True)


async def test_a_wrong_password(guarded: RedisServer) -> None:
    answer = await failure(f"redis://:{SECRET}x@127.0.0.1:{guarded.port}/0")
    assert answer.reason is Reason.AUTHENTICATION_FAILED
    assert f"redis://127.0.0.1:{guarded.port}/0" in answer.message


async def test_no_password_where_one_is_wanted(guarded: RedisServer) -> None:
    assert (await failure(guarded.url)).reason is Reason.AUTHENTICATION_FAILED


async def test_a_password_where_none_is_wanted(redis_server: RedisServer) -> None:
    answer = await failure(f"redis://:{SECRET}@127.0.0.1:{redis_server.port}/0")
    assert answer.reason is Reason.AUTHENTICATION_FAILED


async def test_a_user_that_may_run_no_script_is_told_which_command(guarded: RedisServer) -> None:
    with admin(guarded) as client:
        client.acl_setuser("reader", enabled=True, passwords=[f"+{SECRET}"], keys=["*"], commands=["+get"])
    answer = await failure(f"redis://reader:{SECRET}@127.0.0.1:{guarded.port}/0")
    assert answer.reason is Reason.PERMISSION_DENIED
    assert "'evalsha'" in answer.message


async def test_a_user_that_lacks_one_command_of_the_script(guarded: RedisServer) -> None:
    commands = [command for command in NEEDS if command != "+llen"]
    with admin(guarded) as client:
        client.acl_setuser("reader", enabled=True, passwords=[f"+{SECRET}"], keys=["*"], commands=commands)
    answer = await failure(f"redis://reader:{SECRET}@127.0.0.1:{guarded.port}/0")
    assert answer.reason is Reason.PERMISSION_DENIED
    assert "+llen" in answer.message


async def test_a_user_that_may_read_other_keys_only(guarded: RedisServer) -> None:
    with admin(guarded) as client:
        client.acl_setuser("reader", enabled=True, passwords=[f"+{SECRET}"], keys=["bull:audio:*"], commands=NEEDS)
    url = f"redis://reader:{SECRET}@127.0.0.1:{guarded.port}/0"
    answer = await failure(url)
    assert answer.reason is Reason.PERMISSION_DENIED
    assert "bull:video:" in answer.message
    async with reader(url) as endpoint:
        assert isinstance(await read(endpoint, "audio"), QueueReading), "what the message asks for is enough"


async def test_a_port_that_nobody_listens_on() -> None:
    answer = await failure(f"redis://127.0.0.1:{free_port()}/0")
    assert answer.reason is Reason.UNREACHABLE
    assert "Connection refused" in answer.message


async def test_a_host_that_dns_does_not_know() -> None:
    answer = await failure(f"redis://:{SECRET}@nowhere.invalid:6379/0")
    assert answer.reason is Reason.UNREACHABLE
    assert "DNS" in answer.message
    assert "nowhere.invalid" in answer.message


async def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = await failure(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", timeout=0.2)
    assert answer.reason is Reason.UNREACHABLE
    assert "does not answer in time" in answer.message


async def http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a web server says to a Redis client."""
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_a_port_that_speaks_no_redis() -> None:
    async with await asyncio.start_server(http, "127.0.0.1", 0) as server:
        answer = await failure(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    assert answer.reason is Reason.UNREACHABLE


async def test_tls_where_the_server_speaks_none(redis_server: RedisServer) -> None:
    """A plain Redis waits for the end of what it takes for a command, so only time tells."""
    answer = await failure(f"rediss://127.0.0.1:{redis_server.port}/0", timeout=0.2)
    assert answer.reason is Reason.UNREACHABLE
    assert "speaks TLS" in answer.message


async def test_tls_where_something_else_answers() -> None:
    async with await asyncio.start_server(http, "127.0.0.1", 0) as server:
        answer = await failure(f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    assert answer.reason is Reason.TLS_FAILED


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key and a certificate that no authority signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return key, certificate


async def test_a_certificate_that_nobody_vouches_for(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key, chain = certificate
    context.load_cert_chain(chain, key)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as server:
        answer = await failure(f"rediss://localhost:{server.sockets[0].getsockname()[1]}/0")
    assert answer.reason is Reason.TLS_FAILED
    assert "not trusted" in answer.message


async def test_a_key_of_another_type_spoils_its_own_queue_only(redis_url: str, raw: redis.Redis) -> None:
    raw.set("bull:video:wait", "a string")
    raw.hset("bull:audio:meta", "opts.maxLenEvents", "10000")
    async with reader(redis_url) as endpoint:
        video, audio = Question("bull", "video"), Question("bull", "audio")
        answers = await endpoint.read([video, audio], now=1.0)
    broken, sound = answers[video], answers[audio]
    assert isinstance(broken, ReadingFailed)
    assert broken.reason is Reason.QUEUE_UNREADABLE
    assert "bull:video:" in broken.message
    assert isinstance(sound, QueueReading)


async def test_a_server_that_hangs_is_given_up_in_time_and_read_again_when_it_goes_on(
    own_redis: RedisServer,
) -> None:
    async with reader(own_redis.url, timeout=0.3) as endpoint:
        assert isinstance(await read(endpoint), QueueReading)
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(10):
                hung = await read(endpoint)
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        assert isinstance(hung, ReadingFailed)
        assert hung.reason is Reason.UNREACHABLE
        assert isinstance(await read(endpoint, now=1_700_000_060.0), QueueReading)


async def test_a_server_that_dies_and_comes_back(own_redis: RedisServer) -> None:
    async with reader(own_redis.url) as endpoint:
        await read(endpoint)
        own_redis.kill()
        gone = await read(endpoint)
        assert isinstance(gone, ReadingFailed)
        assert gone.reason is Reason.UNREACHABLE
        own_redis.start()
        assert await read(endpoint) == gone, "the next attempt is not due yet"
        assert isinstance(await read(endpoint, now=1_700_000_060.0), QueueReading)


async def test_a_clock_set_back_puts_off_no_attempt(own_redis: RedisServer) -> None:
    async with reader(own_redis.url) as endpoint:
        own_redis.kill()
        assert isinstance(await read(endpoint), ReadingFailed)
        own_redis.start()
        assert isinstance(await read(endpoint, now=1_700_000_000.0 - 3600), QueueReading)


async def test_a_cluster_that_is_down_is_not_taken_for_a_wrong_queue(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server.start()
    try:
        answer = await failure(f"{server.url}/0")
    finally:
        server.stop()
    assert answer.reason is Reason.UNREACHABLE
    assert "cluster" in answer.message


async def test_a_node_of_a_cluster_that_has_not_the_queue_is_told_as_one() -> None:
    async def elsewhere(asked: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.read(65536)
        writer.write(b"-MOVED 3999 127.0.0.1:6381\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as server:
        answer = await failure(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    assert answer.reason is Reason.UNREACHABLE
    assert "one node of a cluster" in answer.message


async def test_attempts_are_spaced() -> None:
    attempts: list[bool] = []
    nowhere = Location.parse(f"redis://127.0.0.1:{free_port()}")
    endpoint = Endpoint(nowhere, on_round_trip=lambda _, ok: attempts.append(ok))
    for tick in range(600):
        await read(endpoint, now=1_700_000_000.0 + tick / 10)
    assert 60 / 5 <= len(attempts) <= 60 / 2.5 + 6, "0.5 to 5 s apart, jittered"


BAD_URLS = {
    "no scheme": ("redis.media:6379", "no scheme"),
    "a scheme that is not Redis": (f"http://user:{SECRET}@redis:6379/0", "http://"),
    "no host": (f"redis://:{SECRET}@/0", "no host"),
    "a port that is no number": (f"redis://:{SECRET}@redis:sixthousand/0", "bad port"),
    "a port beyond the last": ("redis://redis:70000/0", "bad port"),
    "a password with an unescaped hash": (f"redis://:12#{SECRET}@redis:6379/0", "unescaped"),
    "a user whose password has an unescaped question mark": (f"redis://me:12?{SECRET}@redis:6379/0", "unescaped"),
    "a password with an unescaped slash": (f"redis://:{SECRET}/x@redis:6379/0", "unescaped"),
    "a database that is no number": ("redis://redis:6379/first", "database"),
    "nothing": ("", "is empty"),
}


@pytest.mark.parametrize("row", BAD_URLS.values(), ids=BAD_URLS.keys())
def test_a_bad_url_is_refused_with_what_is_wrong_and_without_its_password(row: tuple[str, str]) -> None:
    url, words = row
    with pytest.raises(BadUrlError, match=words) as caught:
        Location.parse(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


OPTIONS = ["socket_timeuot=1", "encoding=nonsense", "retry=x", "redis_connect_func=x", "credential_provider=x", "db=1"]


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_is_none_of_ours_is_refused(option: str) -> None:
    with pytest.raises(BadUrlError, match=f"unknown option '{option.partition('=')[0]}'"):
        Location.parse(f"redis://:{SECRET}@redis:6379/0?{option}")


@pytest.mark.parametrize("option", ["ssl_cert_reqs=nonsense"])
async def test_a_value_that_redis_py_does_not_take_is_a_bad_url(redis_url: str, option: str) -> None:
    assert (await failure(f"{redis_url.replace('redis:', 'rediss:')}?{option}")).reason is Reason.BAD_URL


async def test_an_error_that_nobody_foresaw_is_an_answer_and_ends_nothing() -> None:
    async def nonsense(asked: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.read(65536)
        writer.write(b"-MOVED there is no such thing\r\n")  # which redis-py itself cannot read
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as server:
        answer = await failure(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    assert "ValueError" in answer.message


def test_a_location_shows_no_password() -> None:
    location = Location.parse(f"redis://app:{SECRET}@redis.media:6380/3")
    assert str(location) == "redis://redis.media:6380/3"
    assert SECRET not in repr(location)
