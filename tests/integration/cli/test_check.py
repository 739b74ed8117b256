"""`bullpen check`: all mistakes at once, and what Redis tells."""

from __future__ import annotations

from pathlib import Path

import redis

from tests.integration.cli.conftest import Command
from tests.integration.redis_server import RedisServer, free_port

WORKER = (
    "~bull:*",
    "+@read",
    "+@write",
    "-@dangerous",
    "+evalsha",
    "+script|load",
    "+time",
    "+client|setname",
    "+ping",
)


def test_queues_jobs_and_tries_are_listed(bullpen: Command) -> None:
    lines = bullpen("check", "typed_app:app").ok().lines
    assert lines[0].startswith("redis redis://127.0.0.1:")
    assert lines[0].endswith(", noeviction")
    assert "  job generate: typed_app.generate, async, data: Render, 5 attempts, exponential 2s" in lines
    assert "  job merge: typed_app.merge, process, data: list, timeout 20m 00s, memory 512 MiB" in lines
    assert "queue emails, at most 10 starts in 1000 ms" in lines
    [told] = bullpen("check", "typed_app:app", "--json").ok().json
    assert told["redis"]["maxmemoryPolicy"] == "noeviction"
    assert [queue["queue"] for queue in told["queues"]] == ["video-generation", "emails", "events"]
    assert told["queues"][0]["jobs"][0]["retry"]["attempts"] == 5


def test_all_mistakes_are_told_at_once(bullpen: Command) -> None:
    said = bullpen("check", "nowhere:app", QUEUE_CONCURRENCY="ten", METRICS_PORT="http", MODE="web", DRAIN_SECONDS="x")
    assert (said.code, said.out) == (2, "")
    assert [line.split("=")[0].split(":")[1].strip() for line in said.err.splitlines()] == [
        "MODE",
        "QUEUE_CONCURRENCY",
        "DRAIN_SECONDS",
        "METRICS_PORT",
        "app 'nowhere",
    ]
    assert "QUEUE_NAME=nope" in bullpen("check", "house_app:app", QUEUE_NAME="nope").err


def test_a_redis_that_does_not_answer_ends_it_with_1(bullpen: Command) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    said = bullpen("check", "house_app:app", REDIS_URL=nobody)
    assert (said.code, len(said.err.splitlines())) == (1, 1)
    assert "cannot reach Redis" in said.err
    both = bullpen("check", "house_app:app", REDIS_URL=nobody, MODE="web")
    assert (both.code, len(both.err.splitlines())) == (2, 2)
    bullpen("check", "house_app:app", "--no-redis", REDIS_URL=nobody).ok()


def test_an_eviction_policy_that_loses_jobs_is_a_warning(bullpen: Command, own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as admin:
        admin.config_set("maxmemory-policy", "allkeys-lru")
    said = bullpen("check", "house_app:app", REDIS_URL=own_redis.url)
    assert said.code == 0
    assert "has maxmemory-policy allkeys-lru" in said.err


def test_what_the_user_may_not_do_is_told(bullpen: Command, own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as admin:
        admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", *WORKER)
        admin.execute_command("ACL", "SETUSER", "poor", "on", ">pw", *WORKER, "-time", "-evalsha")
    url = f"redis://%s:pw@127.0.0.1:{own_redis.port}"
    enough = bullpen("check", "house_app:app", REDIS_URL=url % "worker")
    assert enough.code == 0
    assert "INFO" in enough.err
    poor = bullpen("check", "house_app:app", REDIS_URL=url % "poor")
    assert poor.code == 2
    assert "does not allow TIME" in poor.err
    assert "does not allow script counts" in poor.err
    for rules, missing in ((("-hset", "-xadd"), "HSET, XADD"), (("-bzpopmin",), "BZPOPMIN")):
        with redis.Redis(port=own_redis.port) as admin:
            admin.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">pw", *WORKER, *rules)
        reader = bullpen("check", "house_app:app", REDIS_URL=url % "reader")
        assert reader.code == 2
        assert f"does not allow {missing}" in reader.err
    with redis.Redis(port=own_redis.port) as admin:
        assert admin.keys() == []  # asked, not tried
    wrong = bullpen("check", "house_app:app", REDIS_URL=f"redis://poor:no@127.0.0.1:{own_redis.port}")
    assert (wrong.code, len(wrong.err.splitlines())) == (2, 1)
    assert "refused the login" in wrong.err


def test_nothing_is_written(bullpen: Command, raw: redis.Redis, tmp_path: Path) -> None:
    bullpen("check", "house_app:app").ok()
    assert raw.keys() == []
