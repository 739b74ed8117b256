"""Secrets stay where they are: values planted wherever a pool's can stand, and looked for in all the operator says.

What it says are its logs (everything, as JSON, at the level debug), Events, statuses and metrics.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import redis

from bullpen_operator.cluster.port import ClusterError, Kind
from bullpen_operator.serving.logs import JsonLines
from tests.integration.operator.test_sweep import Operator, another, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.redis_server import RedisServer

CANARY = "cAnArY"
PASSWORD = f"{CANARY}-right"
SECRET = {"secretKeyRef": {"name": "bullpen-redis", "key": "url"}}


class Ear(logging.Handler):
    """Keeps every record of every logger as the line it would be written as."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
async def ear(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Ear]:
    made = Ear()
    caplog.set_level(logging.DEBUG)
    logging.getLogger().addHandler(made)
    yield made
    logging.getLogger().removeHandler(made)


@pytest.fixture
async def operator(ear: Ear) -> AsyncIterator[Operator]:
    async with asyncio.TaskGroup() as group:
        made = Operator(group)
        yield made
        for task in made.tasks:
            task.cancel()


def said(operator: Operator, ear: Ear) -> dict[str, str]:
    """All that leaves the operator, but for the Deployment, which carries the pool's own env."""
    statuses = {name: pool.get("status") for name, pool in operator.cluster.pools.items()}
    return {
        "logs": "\n".join(ear.lines),
        "events": json.dumps(operator.cluster.events),
        "status": json.dumps(statuses),
        "metrics": operator.metrics.exposition().decode(),
    }


def assert_silent(operator: Operator, ear: Ear) -> None:
    everything = said(operator, ear)
    assert all(everything.values()), "the operator said nothing at all, so this proves nothing"
    leaked = {where: text.split(CANARY)[0][-200:] for where, text in everything.items() if CANARY in text}
    assert leaked == {}


def urls(port: int) -> dict[str, str]:
    """URLs with a canary where people put passwords, right and wrong."""
    place = f"127.0.0.1:{port}"
    return {
        "wrong-password": f"redis://:{CANARY}-wrong@{place}/0",
        "wrong-user": f"redis://{CANARY}-user:{CANARY}-wrong@{place}/0",
        "no-tls": f"rediss://:{CANARY}@{place}/0",
        "nobody-there": f"redis://:{CANARY}@127.0.0.1:1/0",
        "no-such-host": f"redis://:{CANARY}@no-such-host.invalid:6379/0",
        "bad-port": f"redis://:{CANARY}@127.0.0.1:{CANARY}/0",
        "no-scheme": f":{CANARY}@{place}/0",
        "foreign-scheme": f"https://:{CANARY}@{place}/0",
        "unescaped-hash": f"redis://:a#{CANARY}@{place}/0",
        "unescaped-slash": f"redis://:a/{CANARY}@{place}/0",
        "unescaped-question": f"redis://:a?{CANARY}@{place}/0",
        "unescaped-at": f"redis://:a@{CANARY}@{place}/0",
        "in-the-query": f"redis://{place}/0?password={CANARY}",
        "key-password": f"rediss://{place}/0?ssl_keyfile_password={CANARY}&ssl_keyfile=/none&ssl_certfile=/none",
        "unknown-option": f"redis://{place}/0?secret={CANARY}",
        "slash-and-database": f"redis://user/{CANARY}@{place}/0",
        "bad-cluster": f"redis://:{CANARY}@{place}/3?cluster=true",
        "sentinel-without-master": f"redis+sentinel://:{CANARY}@{place}",
        "sentinel-nobody-there": f"redis+sentinel://:{CANARY}@127.0.0.1:1/main/0?sentinel_password={CANARY}",
        "bad-database": f"redis://:{CANARY}@{place}/videos",
    }


NAMES = list(urls(0))


@pytest.mark.parametrize("source", ["spec", "Secret"])
async def test_whatever_is_wrong_with_a_url_it_is_not_quoted(
    operator: Operator, ear: Ear, tmp_path: Path, source: str
) -> None:
    with another(tmp_path, "--requirepass", PASSWORD) as server:
        for name, url in urls(server.port).items():
            if source == "spec":
                operator.add_pool(name, url=url)
            else:
                operator.cluster.secrets[name] = {"url": url.encode()}
                operator.add_pool(name, urlFrom={"secretKeyRef": {"name": name, "key": "url"}})
        await until(lambda: all(operator.reason(name) not in (None, "NotRead", "Reachable") for name in NAMES))
        for name in NAMES:
            operator.cluster.edit_pool(name, scaling={"maxReplicas": 3})
            operator.cache.put(Kind.POOL, operator.cluster.pools[name])
        await until(lambda: len(operator.cluster.events) >= len(NAMES))
    assert_silent(operator, ear)


async def test_a_secret_that_is_read_used_rotated_and_spoilt_is_never_told(
    operator: Operator, ear: Ear, tmp_path: Path
) -> None:
    with another(tmp_path, "--requirepass", PASSWORD) as server:
        right = f"redis://:{quote(PASSWORD)}@127.0.0.1:{server.port}/0".encode()
        operator.cluster.secrets["bullpen-redis"] = {"url": right, "note": CANARY.encode()}
        operator.add_pool("video", urlFrom=SECRET)
        operator.add_pool("other-key", urlFrom={"secretKeyRef": {"name": "bullpen-redis", "key": "uri"}})
        await until(lambda: operator.reason("video") == "Reachable" and operator.reason("other-key") == "SecretMissing")
        with redis.Redis(port=server.port, password=PASSWORD) as client:
            client.config_set("requirepass", f"{CANARY}-new")
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: operator.reason("video") == "AuthenticationFailed")
        for spoilt in (f"{CANARY}".encode(), b"\xff" + CANARY.encode(), b""):
            operator.cluster.secrets["bullpen-redis"] = {"url": spoilt}
            await until(lambda: operator.reason("video") in ("BadUrl", "AuthenticationFailed"))
        operator.cluster.secrets["bullpen-redis"] = ClusterError(status=403, reason="Forbidden", message="may not get")
    assert_silent(operator, ear)


async def test_certificates_and_their_keys_are_not_told(operator: Operator, ear: Ear, own_redis: RedisServer) -> None:
    pem = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n".encode()
    operator.cluster.secrets["certs"] = {"ca.crt": CANARY.encode(), "tls.crt": pem, "tls.key": pem}
    url = f"rediss://127.0.0.1:{own_redis.port}/0"
    refs = {"caFrom": "ca.crt", "certFrom": "tls.crt", "keyFrom": "tls.key"}
    tls = {name: {"secretKeyRef": {"name": "certs", "key": key}} for name, key in refs.items()}
    operator.add_pool("all", url=url, tls=tls)
    operator.add_pool("ca", url=url, tls={"caFrom": tls["caFrom"]})
    operator.add_pool("missing", url=url, tls={"caFrom": {"secretKeyRef": {"name": "certs", "key": "other"}}})
    await until(lambda: all(operator.reason(name) not in (None, "NotRead") for name in ("all", "ca", "missing")))
    await until(lambda: len(operator.cluster.events) >= 3)
    assert_silent(operator, ear)


async def test_what_a_pool_gives_its_pods_is_not_told(operator: Operator, ear: Ear, own_redis: RedisServer) -> None:
    pool = operator.cluster.add_pool(
        "video",
        redis={"url": own_redis.url},
        env=[{"name": "API_KEY", "value": CANARY}],
        template={"spec": {"containers": [{"name": "worker", "args": [f"--token={CANARY}"]}]}},
    )
    unreadable = operator.cluster.add_pool("unreadable", redis={"url": own_redis.url}, concurrency=CANARY)
    operator.cache.put(Kind.POOL, pool)
    operator.cache.put(Kind.POOL, unreadable)
    await until(lambda: operator.reason("video") == "Reachable")
    await until(lambda: operator.cluster.pools["unreadable"].get("status") is not None)
    await until(lambda: bool(operator.cluster.events))
    assert_silent(operator, ear)


async def test_what_lies_in_the_queue_is_not_told(operator: Operator, ear: Ear, own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.set("bull:wrong-type:wait", CANARY)
        client.hset("bull:wrong-type:meta", CANARY, CANARY)
        client.hset("bull:strange:meta", "concurrency", CANARY)
        client.lpush("bull:strange:wait", CANARY)
        client.hset(f"bull:strange:{CANARY}", mapping={"timestamp": CANARY, "data": CANARY})
        client.zadd("bull:strange:delayed", {CANARY: float("inf")})
        client.set("bull:strange:id", CANARY)
    for name in ("wrong-type", "strange"):
        operator.add_pool(name, url=own_redis.url)
    await until(lambda: operator.reason("wrong-type") == "QueueUnreadable" and operator.reason("strange") is not None)
    await until(lambda: bool(operator.cluster.events))
    assert_silent(operator, ear)


def test_the_test_hears_what_is_said(ear: Ear) -> None:
    """Or the silence above would prove nothing: traces, arguments and added fields are heard."""
    log = logging.getLogger("bullpen_operator.somewhere")
    log.debug("%s", f"{CANARY}-argument")
    log.info("with a field", extra={"decision": {"url": f"{CANARY}-field"}})
    try:
        raise ValueError(f"{CANARY}-trace")
    except ValueError:
        log.exception("with a trace")
    heard: Any = "".join(ear.lines)
    assert [f"{CANARY}-{kind}" in heard for kind in ("argument", "field", "trace")] == [True] * 3
