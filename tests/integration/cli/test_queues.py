"""Whole queues: finding them, pausing, emptying and deleting them."""

from __future__ import annotations

import pytest
import redis

from bullpen.client.discovery import find_queues
from bullpen.protocol.location import RedisLocation
from tests.integration.cli.conftest import Command


def test_queues_are_found_by_their_keys(bullpen: Command, raw: redis.Redis) -> None:
    assert bullpen("inspect").err == "no queues under prefix 'bull'\n"
    for queue in ("videos", "emails"):
        bullpen("add", queue, "x").ok()
    bullpen("add", "[odd]*", "x", "--prefix", "a?b").ok()
    bullpen("add", "not-this", "x", "--prefix", "axb").ok()
    raw.set("bull:text:meta", "no hash")
    raw.hset("bull:a:b:meta", "a", "1")
    assert [row["queue"] for row in bullpen("inspect", "--json").ok().json] == ["emails", "videos"]
    assert [row["queue"] for row in bullpen("inspect", "--json", QUEUE_PREFIX="a?b").ok().json] == ["[odd]*"]
    lines = bullpen("inspect", "--app", "house_app:app").ok().lines
    assert [line.split()[:2] for line in lines] == [
        ["QUEUE", "WAITING"],
        ["emails", "1"],
        ["video-generation", "0"],
        ["videos", "1"],
    ]


async def test_a_look_through_many_keys_ends_in_time(location: RedisLocation, raw: redis.Redis) -> None:
    with raw.pipeline(transaction=False) as pipe:
        for number in range(20_000):
            pipe.set(f"other:{number}", "")
        pipe.execute()
    raw.hset("bull:q:meta", "a", "1")
    assert not (await find_queues(lambda: location, "bull", seconds=-1)).complete
    assert (await find_queues(lambda: location, "bull", seconds=60)).queues == ("q",)


def test_a_queue_is_paused_and_resumed(bullpen: Command) -> None:
    bullpen("add", "a", "x", "--count", "2").ok()
    bullpen("add", "b", "x").ok()
    assert bullpen("pause", "a", "b").ok().out == "paused a\npaused b\n"
    assert bullpen("inspect", "a").ok().lines[:2] == ["queue        a (paused)", "waiting      2"]
    assert bullpen("resume", "a", "--json").ok().json == [{"queue": "a", "paused": False}]
    assert [row["paused"] for row in bullpen("inspect", "--json").ok().json] == [False, True]


def test_a_wrong_name_among_several_changes_nothing(bullpen: Command) -> None:
    bullpen("add", "videos", "x").ok()
    wrong = bullpen("pause", "videos", "vidoes")
    assert (wrong.code, wrong.err) == (
        1,
        "bullpen: no queue 'vidoes' under prefix 'bull': did you mean 'videos'?\n",
    )
    assert not bullpen("inspect", "videos", "--json").ok().json[0]["paused"]


def test_a_queue_of_the_app_may_be_paused_before_its_first_job(bullpen: Command) -> None:
    bullpen("pause", "emails", "--app", "house_app:app").ok()
    assert bullpen("inspect", "emails", "--json").ok().json[0]["paused"]


def test_waiting_jobs_are_deleted(bullpen: Command) -> None:
    bullpen("add", "q", "x", "--count", "5").ok()
    bullpen("add", "q", "x", "--delay", "1h").ok()
    assert bullpen("drain", "q").ok().out == "5 jobs deleted from q\n"
    assert bullpen("drain", "q", "--delayed", "--json").ok().json == [{"queue": "q", "deleted": 1}]


def test_old_jobs_are_cleaned(bullpen: Command) -> None:
    bullpen("add", "q", "x", "--count", "5").ok()
    assert bullpen("clean", "q", "waiting", "--older-than", "1h").ok().out == "0 waiting jobs deleted from q\n"
    told = bullpen("clean", "q", "waiting", "--limit", "2", "--json").ok().json
    assert told == [{"queue": "q", "state": "waiting", "deleted": 2}]


def test_a_queue_is_obliterated_only_when_that_is_said(bullpen: Command, raw: redis.Redis) -> None:
    bullpen("add", "q", "x", "--count", "5").ok()
    assert bullpen("obliterate", "q").code == 2
    assert raw.llen("bull:q:wait") == 5
    raw.lmove("bull:q:wait", "bull:q:active")
    active = bullpen("obliterate", "q", "--yes")
    assert (active.code, len(active.err.splitlines())) == (1, 1)
    assert bullpen("obliterate", "q", "--yes", "--force").ok().out == "q is gone\n"
    assert raw.keys() == []


@pytest.mark.parametrize(("answer", "left"), [("n\n", 5), ("y\n", 0)])
def test_a_terminal_is_asked(bullpen: Command, raw: redis.Redis, redis_url: str, answer: str, left: int) -> None:
    from tests.integration.cli.terminal import in_terminal

    bullpen("add", "q", "x", "--count", "5").ok()
    code, text = in_terminal(["drain", "q"], redis_url, answer=answer)
    assert "Delete 5 jobs that wait in q?" in text
    assert (code, raw.llen("bull:q:wait")) == (0 if not left else 130, left)


def test_schedules_are_listed_and_removed(bullpen: Command, redis_url: str) -> None:
    from bullpen.sync import App

    with App(redis=redis_url) as app:
        app.queue("q").schedule("nightly", cron="0 3 * * *", tz="Europe/Berlin", data={"n": 1})
        app.queue("q").schedule("often", every="5m")
    lines = bullpen("schedules", "list", "q").ok().lines
    assert [line.split()[0] for line in lines] == ["ID", "often", "nightly"]
    assert "0 3 * * * Europe/Berlin" in lines[2]
    [_, nightly] = bullpen("schedules", "list", "q", "--json").ok().json
    assert (nightly["pattern"], nightly["data"]) == ("0 3 * * *", {"n": 1})
    some = bullpen("schedules", "remove", "q", "often", "nope")
    assert (some.code, some.out, len(some.err.splitlines())) == (1, "removed often\n", 1)
