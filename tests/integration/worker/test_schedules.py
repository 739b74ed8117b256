"""Schedules from their call to their end, with our own workers."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from bullpen import App, ConfigurationError, Retry, Unrecoverable
from bullpen.client.schedules import Schedules
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.schedules import plan_next
from bullpen.protocol.calls.work import work
from bullpen.protocol.schedule import Repeat
from tests.integration.worker.house import serving, until, working

if TYPE_CHECKING:
    from pathlib import Path

    import redis

NEVER_AGAIN = Retry(attempts=1)


def added(raw: redis.Redis, queue: str) -> list[str]:
    """The ids of all jobs that were ever added, in order."""
    entries: Any = raw.xrange(f"bull:{queue}:events")
    return [fields["jobId"] for _, fields in entries if fields["event"] == "added"]


async def test_an_interval_ticks_until_it_is_unscheduled(app: App, redis_url: str, raw: redis.Redis) -> None:
    clocks = app.queue("clocks")
    ticks: list[Any] = []

    @clocks.job("tick")
    async def tick(data: dict[str, int]) -> None:
        ticks.append(data)

    async with working(app, redis_url):
        first = await clocks.schedule("heart", every="200ms", name="tick", data={"beat": 1})
        await until(lambda: len(ticks) >= 3, "three ticks")
        [scheduler] = await clocks.schedulers()
        assert (scheduler.id, scheduler.name, scheduler.every, scheduler.data) == ("heart", "tick", 200, {"beat": 1})
        assert await clocks.unschedule("heart")
        assert not await clocks.unschedule("heart")
        await until(lambda: not raw.exists("bull:clocks:wait", "bull:clocks:active"), "the last tick ends")
    assert not raw.exists("bull:clocks:delayed", "bull:clocks:repeat", "bull:clocks:repeat:heart")
    ids = added(raw, "clocks")
    assert ids[0] == first.id
    # An interval keeps to its slots, however late a run begins; what it misses it leaves out.
    slots = [int(each.rsplit(":", 1)[1]) for each in ids]
    assert all(later > earlier and (later - earlier) % 200 == 0 for earlier, later in pairwise(slots))
    assert ticks == [{"beat": 1}] * len(ticks)


async def test_a_pattern_of_seconds_fires_on_the_second(app: App, redis_url: str, raw: redis.Redis) -> None:
    clocks = app.queue("clocks")
    ticks: list[object] = []

    @clocks.job()
    async def tick(data: object) -> None:
        ticks.append(data)

    async with working(app, redis_url):
        await clocks.schedule("second", cron="* * * * * *", tz="Asia/Kolkata", limit=2)
        await until(lambda: len(ticks) >= 2, "two ticks")
    ids = added(raw, "clocks")
    assert len(ids) == 2
    assert all(each.endswith("000") for each in ids)
    assert not raw.exists("bull:clocks:delayed")


async def test_a_job_that_fails_and_is_tried_again_plans_one_next_run(
    app: App, redis_url: str, raw: redis.Redis
) -> None:
    clocks = app.queue("clocks")
    tries: list[int] = []

    @clocks.job()
    async def tick(data: object) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")

    async with working(app, redis_url):
        job = await clocks.schedule("hourly", every="1h", retry=Retry(attempts=3, delay="10ms"))
        await job.result(timeout="10s")
    assert len(tries) == 3
    assert raw.zcard("bull:clocks:delayed") == 1
    assert len(added(raw, "clocks")) == 2


async def test_a_run_that_is_only_to_be_failed_plans_the_next_one(app: App, redis_url: str, raw: redis.Redis) -> None:
    clocks = app.queue("clocks")

    @clocks.job()
    async def tick(data: object) -> None:
        raise Unrecoverable("never run")

    job = await clocks.schedule("hourly", every="1h")
    raw.hset(f"bull:clocks:{job.id}", "defa", "given up")
    async with working(app, redis_url):
        await until(lambda: raw.zcard("bull:clocks:failed") == 1, "the run fails")
    assert raw.hget(f"bull:clocks:{job.id}", "failedReason") == "given up"
    assert raw.zcard("bull:clocks:delayed") == 1


@pytest.mark.parametrize(
    "repeat",
    [
        None,
        {"every": 1000, "pattern": "* * * * *"},
        {"pattern": "61 * * * *", "count": 1},
        {"pattern": ["*"], "count": 1},
        {"pattern": "* * * * *", "tz": {}},
        {"every": "1", "count": 1},
        {"every": 0, "count": 1},
        {"every": 1000, "count": float("inf")},
    ],
    ids=["missing", "both", "bad-pattern", "no-text", "no-zone", "no-number", "nothing", "no-end"],
)
async def test_a_run_whose_next_cannot_be_planned_runs_all_the_same(
    app: App, redis_url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture, repeat: object
) -> None:
    clocks = app.queue("clocks")

    @clocks.job()
    async def tick(data: object) -> str:
        return "done"

    job = await clocks.schedule("hourly", every="1h")
    raw.hset(f"bull:clocks:{job.id}", "opts", json.dumps({"repeat": repeat}))
    with caplog.at_level(logging.WARNING):
        async with working(app, redis_url):
            assert await job.result(timeout="10s") == "done"
    assert "the next run of schedule 'hourly' is not planned" in caplog.text
    assert not raw.exists("bull:clocks:delayed")


async def test_a_worker_that_is_killed_doubles_no_run(redis_url: str, raw: redis.Redis, tmp_path: Path) -> None:
    """The run after the one that kills the worker was planned before it began: exactly one, for the next worker."""
    app = App(redis=redis_url)
    jobs = app.queue("video-generation")
    async with app:
        with serving("house_app:app", redis_url, tmp_path / "first.log") as first:
            await first.says("Worker ready")
            await jobs.schedule("deadly", every="300ms", name="leave", data={}, retry=NEVER_AGAIN)
            await until(lambda: first.ended, "the job kills its worker")
        [killer] = map(str, raw.lrange("bull:video-generation:active", 0, -1))
        assert raw.zcard("bull:video-generation:delayed") == 1
        await jobs.schedule("deadly", every="300ms", name="quick", data={"n": 1}, retry=NEVER_AGAIN)
        assert raw.zcard("bull:video-generation:delayed") + raw.llen("bull:video-generation:wait") == 1
        with serving("house_app:app", redis_url, tmp_path / "second.log") as second:
            await until(lambda: raw.zcard("bull:video-generation:completed") >= 3, f"three runs\n{second.output}")
            await jobs.unschedule("deadly")
    ids = added(raw, "video-generation")
    replaced = 1  # by the second call of schedule: the same run, made anew
    assert len(ids) - len(set(ids)) == replaced
    assert ids.count(killer) == 1


REFUSED: dict[str, dict[str, Any]] = {
    "one of the two": {},
    "one of the two ": {"cron": "* * * * *", "every": "1s"},
    "minute '61'": {"cron": "61 * * * *"},
    "time zone (tz) 'Mars'": {"cron": "* * * * *", "tz": "Mars"},
    "belongs to a cron pattern": {"every": "1s", "tz": "UTC"},
    "belongs to an interval": {"cron": "* * * * *", "offset": "1s"},
    "1 to": {"every": 0},
    "is no duration": {"every": "soon"},
    "schedule limit": {"every": "1s", "limit": 0},
    "with a time zone": {"every": "1s", "start": datetime(2030, 1, 1)},
    "which is over": {"every": "1s", "end": datetime(2020, 1, 1, tzinfo=UTC)},
    "immediately or at its start": {
        "cron": "* * * * *",
        "immediately": True,
        "start": datetime(2030, 1, 1, tzinfo=UTC),
    },
    "schedule limit is True": {"every": "1s", "limit": True},
    "is no JSON": {"every": "1s", "data": object()},
    "priority": {"every": "1s", "priority": -1},
    "job name": {"every": "1s", "name": ""},
}


@pytest.mark.parametrize(("told", "arguments"), REFUSED.items(), ids=REFUSED)
async def test_what_cannot_be_scheduled_is_refused_before_anything_is_written(
    app: App, raw: redis.Redis, told: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        await app.queue("clocks").schedule("bad", **arguments)
    assert told.strip() in str(refusal.value)
    assert not raw.keys("*")


@pytest.mark.parametrize("scheduler_id", ["", "a:b"])
async def test_ids_that_cannot_be_are_refused(app: App, raw: redis.Redis, scheduler_id: str) -> None:
    with pytest.raises(ConfigurationError, match="schedule id"):
        await app.queue("clocks").schedule(scheduler_id, every="1s")
    assert not raw.keys("*")


async def test_a_changed_schedule_keeps_its_slot_and_changes_its_jobs(app: App, raw: redis.Redis) -> None:
    clocks = app.queue("clocks")
    start = datetime.now(UTC) + timedelta(hours=1)
    for beat in (1, 2):
        job = await clocks.schedule("hourly", every="1h", start=start, data={"beat": beat})
    [scheduler] = await clocks.schedulers()
    assert scheduler.next == round(start.timestamp() * 1000)
    assert scheduler.start == scheduler.next
    assert raw.zrange("bull:clocks:delayed", 0, -1) == [job.id]
    assert raw.hget(f"bull:clocks:{job.id}", "data") == '{"beat":2}'
    await clocks.schedule("daily", cron="0 3 * * *", tz="Europe/Berlin")
    assert {each.id for each in await clocks.schedulers()} == {"hourly", "daily"}


async def test_a_run_that_has_begun_already_is_not_made_again(app: App, raw: redis.Redis) -> None:
    clocks = app.queue("clocks")
    for second in range(120):
        due = (int(datetime.now(UTC).timestamp()) + second) * 1000
        raw.hset(f"bull:clocks:repeat:busy:{due}", "name", "old")
    before = raw.dbsize()
    with pytest.raises(ConfigurationError, match="a job of its next run exists already"):
        await clocks.schedule("busy", cron="* * * * * *")
    assert not raw.exists("bull:clocks:repeat")
    assert raw.dbsize() == before


async def test_a_running_job_is_never_written_over(app: App, raw: redis.Redis) -> None:
    """BullMQ does so when the same ms is asked for again and another job is replaced: the id is in two states then."""
    keys, link, now = QueueKeys("bull", "clocks"), await app.link(["clocks"]), 1_800_000_000_010
    schedules = Schedules(link=link, keys=keys, clock=lambda: now / 1000)
    every_five = Repeat(pattern="*/5 * * * *", immediately=True)
    first = await schedules.schedule("five", every_five)
    [claimed] = (await link.run(work(keys, now=now, tokens=["token"]))).claimed
    call = plan_next(keys, job=claimed.job, now=now)
    assert call is not None
    following = await link.run(call)
    with pytest.raises(ConfigurationError, match="a job of its next run exists already"):
        await schedules.schedule("five", every_five)
    assert raw.lrange("bull:clocks:active", 0, -1) == [first.job_id]
    assert raw.zrange("bull:clocks:delayed", 0, -1) == [following]
    assert not raw.exists("bull:clocks:wait")
