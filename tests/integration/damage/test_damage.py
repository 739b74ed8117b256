"""Keys and records that nobody of us wrote: operations work for the others, or name the key and write nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

from bullpen.errors import BullpenError, ProtocolError
from bullpen.protocol import QueueKeys
from tests.integration.damage.house import IMAGES, OPERATIONS, VIDEOS, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bullpen.client.connection import Link

QUEUE = (
    *("wait", "paused", "active", "prioritized", "delayed", "waiting-children", "completed", "failed", "stalled"),
    *(
        "stalled-check",
        "marker",
        "meta",
        "id",
        "pc",
        "limiter",
        "events",
        "repeat",
        "repeat:tick",
        "de:film",
        "dn:film",
    ),
    *("metrics:completed", "metrics:completed:data", "metrics:failed"),
)
OF_PARENT = ("dependencies", "processed", "failed", "unsuccessful")
JOBS = (
    "held",
    "child",
    "owner",
    "waits",
    "retried",
    "lost",
    "ready",
    "urgent",
    "due",
    "later",
    "old",
    "broken",
    "parent",
)
WORDS = ("delay", "priority", "timestamp", "atm", "ats", "stc", "processedOn", "finishedOn")
COUNTERS = ("id", "pc", "limiter")
SETTINGS = ("concurrency", "max", "duration", "opts.maxLenEvents")
NO_NUMBERS = ("abc", "1.5", "9" * 19, "")
OPTIONS = ("{oops", "[]", "7", '{"attempts":"many","backoff":{"type":7},"removeOnComplete":"x","de":[],"kl":{}}')


@pytest.fixture
async def house(link: Link, redis_url: str) -> AsyncIterator[House]:
    with redis.Redis.from_url(redis_url, protocol=2) as raw:
        house = House(link, raw)
        await house.build()
        yield house


async def _troubles(house: House, *damages: tuple[str, Callable[[Any], None]]) -> list[str]:
    """What went wrong under each damage; `key` is the damaged one."""
    found = []
    for key, do in damages:
        for title, operation in OPERATIONS.items():
            house.put_back()
            do(house.raw)
            before = house.dump()
            try:
                await house.link.run(operation())
            except BullpenError as error:
                if isinstance(error, ProtocolError) and key not in str(error):
                    found.append(f"{key}, {title}: does not say so: {error}")
                changed = {name for name, _ in before.items() ^ house.dump().items()}
                if changed and not _as_bullmq(title, error, changed):
                    found.append(f"{key}, {title}: refused by {error}, and wrote {sorted(changed)}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is ours to report
                found.append(f"{key}, {title}: {error!r}")
    return found


def _as_bullmq(title: str, error: BullpenError, changed: set[bytes]) -> bool:
    """What is written before an answer that is no failure: due jobs are promoted (§5.2), a number is taken (§1.5)."""
    if isinstance(error, ProtocolError):
        return False
    return title == "retry" or changed == {VIDEOS.base.encode() + b"id"}


def _replaced(key: str) -> Callable[[Any], None]:
    def do(raw: Any) -> None:
        string = raw.type(key) != b"string"
        raw.delete(key)
        if string:
            raw.set(key, "of another type")
        else:
            raw.rpush(key, "of another type")

    return do


def _run(*command: str) -> Callable[[Any], None]:
    return lambda raw: raw.execute_command(*command)


@pytest.mark.parametrize("keys", [VIDEOS, IMAGES], ids=["own", "a relative's"])
@pytest.mark.parametrize("name", QUEUE)
async def test_a_key_of_the_queue_of_another_type(house: House, keys: QueueKeys, name: str) -> None:
    key = keys.base + name
    assert await _troubles(house, (key, _replaced(key))) == []


@pytest.mark.parametrize("job_id", [*JOBS, "repeat:tick:1700000000001"])
async def test_a_job_that_is_no_hash(house: House, job_id: str) -> None:
    key = VIDEOS.job(job_id)
    assert await _troubles(house, (key, _replaced(key))) == []


@pytest.mark.parametrize("part", [*OF_PARENT, "lock", "logs"])
async def test_what_belongs_to_a_job_is_of_another_type(house: House, part: str) -> None:
    keys = [f"{VIDEOS.job(job_id)}:{part}" for job_id in ("parent", "waits", "held", "child", "ready")]
    assert await _troubles(house, *((key, _replaced(key)) for key in keys)) == []


@pytest.mark.parametrize("job_id", JOBS)
async def test_a_record_that_is_gone(house: House, job_id: str) -> None:
    assert await _troubles(house, (VIDEOS.job(job_id), _run("DEL", VIDEOS.job(job_id)))) == []


@pytest.mark.parametrize("field", WORDS)
async def test_a_word_or_something_endless_where_a_number_belongs(house: House, field: str) -> None:
    def write(value: str) -> Callable[[Any], None]:
        def do(raw: Any) -> None:
            for job_id in JOBS:
                raw.hset(VIDEOS.job(job_id), field, value)

        return do

    assert (
        await _troubles(house, *((VIDEOS.base, write(value)) for value in ("many", "nan", "inf", "-1", "1e300", "")))
        == []
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("opts", options) for options in OPTIONS),
        *(("data", data) for data in ("{oops", "")),
        *(("parent", family) for family in ("{oops", "[]", "7", '{"fpof":7,"id":[]}', "")),
        *(
            ("parentKey", parent)
            for parent in ("", "x", ":", "bull:videos:wait", "bull:images:meta", "bull:videos:", "\0")
        ),
        ("rjk", "nobody"),
        ("deid", "nobody"),
        ("defa", ""),
        ("stacktrace", "{oops"),
        ("a-field-of-bullmq-9", "[]"),
    ],
)
async def test_a_record_with_nonsense(house: House, field: str, value: str) -> None:
    def do(raw: Any) -> None:
        for job_id in JOBS:
            raw.hset(VIDEOS.job(job_id), field, value)

    assert await _troubles(house, (VIDEOS.base, do)) == []


async def test_counters_and_settings_that_are_no_numbers(house: House) -> None:
    meta, metrics, scheduler = VIDEOS.meta, VIDEOS.base + "metrics:completed", VIDEOS.base + "repeat:tick"
    counters = [(VIDEOS.base + name, _run("SET", VIDEOS.base + name, text)) for name in COUNTERS for text in NO_NUMBERS]
    settings = [(meta, _run("HSET", meta, field, text)) for field in SETTINGS for text in (*NO_NUMBERS, "-1", "1e300")]
    figures = [(metrics, _run("HSET", metrics, field, "abc")) for field in ("count", "prevTS", "prevCount")]
    record = [(scheduler, _run("HSET", scheduler, field, "abc")) for field in ("ic", "every", "offset", "opts", "data")]
    assert await _troubles(house, *counters, *settings, *figures, *record) == []


async def test_endless_scores(house: House) -> None:
    places = [
        ("delayed", "later"),
        ("delayed", "due"),
        ("prioritized", "urgent"),
        ("repeat", "tick"),
        ("completed", "old"),
        ("marker", "1"),
    ]
    damages = [
        (VIDEOS.base, _run("ZADD", VIDEOS.base + name, score, member))
        for name, member in places
        for score in ("inf", "-inf", "-1", "0.5", "1e300")
    ]
    assert await _troubles(house, *damages) == []


async def test_ids_of_nothing_in_every_place(house: House) -> None:
    def do(raw: Any) -> None:
        for name in ("wait", "paused", "active"):
            raw.lpush(VIDEOS.base + name, "ghost", "", "0:1")
            raw.rpush(VIDEOS.base + name, "phantom")
        for name in ("prioritized", "delayed", "completed", "failed", "waiting-children"):
            raw.zadd(VIDEOS.base + name, {"ghost": 1, "": 2})
        raw.sadd(VIDEOS.base + "stalled", "ghost", "")

    assert await _troubles(house, (VIDEOS.base, do)) == []


async def test_what_is_no_job_is_taken_off_the_queue_and_named(house: House) -> None:
    for job_id in ("ready", "due"):
        _replaced(VIDEOS.job(job_id))(house.raw)
    reply = await house.link.run(OPERATIONS["claim"]())
    assert [claimed.job.id for claimed in reply.claimed] == ["small", "second", "repeat:tick:1700000000001", "urgent"]
    assert sorted(reply.troubles) == [
        f"WRONGTYPE bull:videos:{job_id} is a string, where a hash belongs: remove it" for job_id in ("due", "ready")
    ]
    failed = [entry[b"jobId"] for _, entry in house.raw.xrange(VIDEOS.events) if entry[b"event"] == b"failed"]
    assert failed[-2:] == [b"ready", b"due"]
    assert not {b"ready", b"due"} & set(house.raw.lrange(VIDEOS.active, 0, -1))
    assert house.raw.get(VIDEOS.job("ready")) == b"of another type"


async def test_a_child_ends_whose_parent_cannot_be_told(house: House) -> None:
    _replaced(VIDEOS.job("parent") + ":processed")(house.raw)
    house.raw.set(VIDEOS.job("parent") + ":processed", "x")
    reply = await house.link.run(OPERATIONS["complete child"]())
    assert reply.finished == (0,)
    assert reply.troubles == ("WRONGTYPE bull:videos:parent:processed is a string, where a hash belongs: remove it",)
