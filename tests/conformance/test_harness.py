"""The parts of the harness, each alone: what it reads, what it calls equal, what it tells apart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conformance.arena import Arena, ItemTest, compare_steps, run
from tests.conformance.compare import ABSENT, Difference, differences
from tests.conformance.dump import Key, dump
from tests.conformance.node_side import NodeDriver, NodeFailed
from tests.conformance.normalise import Normaliser
from tests.conformance.sides import START, Refused, Side, Step

ONE_GENERATION = pytest.mark.parametrize("driver", [5], indirect=True, ids=["bullmq5"])


@ONE_GENERATION
async def test_a_dump_holds_every_type_in_full(arena: Arena) -> None:
    redis = arena.our_redis
    await redis.flushdb()
    await redis.set("text", "ü")
    await redis.set("lease", "token", px=30_000)
    await redis.rpush("list", "a", "b", "a")
    await redis.sadd("set", "b", "a")
    await redis.zadd("zset", {"late": 2**52 + 1, "early": 0.25})
    await redis.hset("hash", mapping={"b": "1", "a": "2"})
    await redis.xadd("stream", {"event": "added", "jobId": "1", "a": "2"})
    await redis.xadd("stream", {"event": "drained"})
    content = await dump(redis)
    lease = content.pop("lease")
    assert lease.value == "token"
    assert lease.pttl is not None
    assert 25_000 < lease.pttl <= 30_000
    assert content == {
        "text": Key("string", "ü", None),
        "list": Key("list", ["a", "b", "a"], None),
        "set": Key("set", ["a", "b"], None),
        "zset": Key("zset", [("early", 0.25), ("late", float(2**52 + 1))], None),
        "hash": Key("hash", {"b": "1", "a": "2"}, None),
        "stream": Key("stream", [[("event", "added"), ("jobId", "1"), ("a", "2")], [("event", "drained")]], None),
    }
    await redis.flushdb()
    assert await dump(redis) == {}


def _hash(**fields: str) -> dict[str, Key]:
    return {"1": Key("hash", fields, None)}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pytest.param(_hash(opts='{"a":1,"b":"x"}'), _hash(opts='{"b": "x", "a": 1}'), id="key order of opts"),
        pytest.param(_hash(opts='{"a":"x\\/y"}'), _hash(opts='{"a":"x/y"}'), id="escaped slashes in opts"),
        pytest.param(_hash(opts='{"attempts":0}'), _hash(opts="{}"), id="written defaults"),
        pytest.param(_hash(opts='{"a":{}}'), _hash(opts='{"a":[]}'), id="empty array and object in opts"),
        pytest.param(_hash(stacktrace='["one"]'), _hash(stacktrace='["another"]'), id="text of stack traces"),
        pytest.param(
            {"meta": Key("hash", {"version": "bullmq:5"}, None)}, {"meta": Key("hash", {}, None)}, id="meta.version"
        ),
        pytest.param({}, {"bullpen:workers": Key("hash", {"a": "b"}, None)}, id="our own keys"),
        pytest.param(
            {"1:lock": Key("string", "t", 29_000)}, {"1:lock": Key("string", "t", 29_900)}, id="expiries within 3 s"
        ),
    ],
)
def test_these_mean_the_same(theirs: dict[str, Key], ours: dict[str, Key]) -> None:
    assert not list(differences(Normaliser().dump(theirs), Normaliser().dump(ours)))


@pytest.mark.parametrize(
    ("theirs", "ours", "path"),
    [
        pytest.param(_hash(opts='{"attempts":0}'), _hash(opts='{"attempts":1}'), "1/value/opts/attempts", id="options"),
        pytest.param(_hash(data='{"a":1}'), _hash(data='{"a": 1}'), "1/value/data", id="text of data"),
        pytest.param(_hash(returnvalue="1"), _hash(returnvalue="1.0"), "1/value/returnvalue", id="text of values"),
        pytest.param(_hash(stacktrace='["a"]'), _hash(stacktrace="[]"), "1/value/stacktrace/entries", id="traces"),
        pytest.param(_hash(delay="0"), _hash(), "1/value/delay", id="missing field"),
        pytest.param(_hash(), _hash(pb=""), "1/value/pb", id="additional field"),
        pytest.param({}, {"pc": Key("string", "1", None)}, "pc", id="additional key"),
        pytest.param({"a": Key("string", "t", 30_000)}, {"a": Key("string", "t", None)}, "a/pttl", id="no expiry"),
        pytest.param({"a": Key("string", "t", 30_000)}, {"a": Key("string", "t", 60_000)}, "a/pttl", id="other expiry"),
        pytest.param({"a": Key("list", ["1", "2"], None)}, {"a": Key("list", ["2", "1"], None)}, "a/value", id="order"),
        pytest.param({"a": Key("zset", [("1", 1)], None)}, {"a": Key("zset", [("1", 2)], None)}, "a/value/1", id="z"),
        pytest.param({"a": Key("list", [], None)}, {"a": Key("set", [], None)}, "a/type", id="type"),
        pytest.param(
            {"e": Key("stream", [[("event", "a"), ("jobId", "1")]], None)},
            {"e": Key("stream", [[("jobId", "1"), ("event", "a")]], None)},
            "e/value",
            id="order of event fields",
        ),
    ],
)  # fmt: skip
def test_these_differ(theirs: dict[str, Key], ours: dict[str, Key], path: str) -> None:
    found = list(differences(Normaliser().dump(theirs), Normaliser().dump(ours)))
    assert {"/".join(difference.path) for difference in found} == {path}


@pytest.mark.parametrize(("theirs", "ours"), [(True, 1), (0, False), (None, 0), ("1", 1), ([], {})])
def test_replies_of_other_types_differ(theirs: Any, ours: Any) -> None:
    assert list(differences(theirs, ours)) == [Difference((), theirs, ours)]


def test_a_missing_event_is_one_difference() -> None:
    events = [["added", "1"], ["waiting", "1"], ["active", "1"], ["completed", "1"]]
    assert list(differences(events, events[:1] + events[2:])) == [Difference((), [["waiting", "1"]], ABSENT)]


def test_the_machines_clock_leaves_no_trace() -> None:
    normalised = [
        Normaliser(began=began).dump(
            {
                "1": Key("hash", {"timestamp": str(began + 5), "delay": "5000", "opts": '{"attempts":2}'}, None),
                "delayed": Key("zset", [("1", (began + 900) * 4096 + 3)], None),
                "completed": Key("zset", [("2", began + 7)], None),
                f"repeat:nightly:{began + 60_000}": Key("string", "0192f3a4-0000-7000-8000-00000000000a:7", None),
                "1:lock": Key("string", f"token of {began}", 30_000),
            }
        )
        for began in (START, START + 123_456_789)
    ]
    assert normalised[0] == normalised[1]
    assert normalised[0]["delayed"]["value"] == {"1": "<ms> sequence 3"}
    assert normalised[0]["1"]["value"]["delay"] == "5000"
    assert normalised[0]["repeat:nightly:<ms>"]["value"] == "<uuid 1>:7"


def test_a_difference_is_told_at_the_step_that_made_it() -> None:
    def steps(*contents: dict[str, Any]) -> list[Step]:
        return [Step("add", {"n": number}, None, content) for number, content in enumerate(contents, 1)]

    found = compare_steps(steps({}, {"a": 1}, {"a": 1}), steps({}, {"a": 2}, {"a": 2}), generation=5, item=1)
    assert found.unexpected == ("step 2, add{'n': 2}: a: BullMQ 1, ours 2",)
    with pytest.raises(AssertionError, match="different ways"):
        compare_steps(steps({}), [], generation=5, item=1)


async def test_time_passes_alike_for_clocks_and_expiries(arena: Arena) -> None:
    async def scenario(side: Side) -> None:
        await side.tamper("SET", "short", "a", "PX", 5_000)
        await side.tamper("SET", "long", "a", "PX", 60_000)
        await side.advance(10_000)
        assert side.now == START + 10_000
        content = await side.content()
        assert "short" not in content
        assert 45_000 < content["long"]["pttl"] <= 50_000
        await side.add()
        assert (await side.content())["1"]["value"]["timestamp"] == str(START + 10_000)

    assert not (await arena.compare(ItemTest(1, "time", scenario))).unexpected


async def test_node_says_which_operation_failed_and_goes_on(arena: Arena) -> None:
    side = arena.node()
    async with side.opened():
        with pytest.raises(Refused, match="the driver has no operation dance"):
            await side.call("dance")
        with pytest.raises(Refused, match="Redis does not know it"):
            await side.complete("7")
        assert await side.add() == "1"


async def test_a_wrong_expectation_of_a_refusal_is_told(arena: Arena) -> None:
    async def scenario(side: Side) -> None:
        await side.refused(side.add())

    with pytest.raises(AssertionError, match="add was not refused, it replied '1'"):
        await run(scenario, arena.ours())


async def test_node_ends_with_its_input(redis_port: int) -> None:
    driver = await NodeDriver.start(5, port=redis_port, db=15)
    await driver.request("open", None, {"prefix": "bull", "queue": "things"})
    await driver.close()
    assert driver.process.returncode == 0
    with pytest.raises(NodeFailed, match="ended with exit code 0"):
        await driver.request("add", None, {})


async def test_requests_to_a_dying_node_fail(redis_port: int) -> None:
    driver = await NodeDriver.start(5, port=redis_port, db=15)
    asking = asyncio.create_task(driver.request("open", None, {"prefix": "bull", "queue": "things"}))
    driver.process.kill()
    with pytest.raises(NodeFailed, match="ended with exit code -9"):
        await asking
    await driver.process.wait()
    await driver.reader
