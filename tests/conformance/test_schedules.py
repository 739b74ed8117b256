"""Checklist: job schedulers (bullmq-protocol.md §8, items 70 and 83-87)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.conformance.arena import item
from tests.conformance.sides import START, Side

MINUTE = 60_000
FIVE = "*/5 * * * *"  # START is a full five minutes


async def upsert(side: Side, scheduler_id: str = "tick", template: Any = None, **repeat: Any) -> Any:
    return await side.call("upsert_scheduler", scheduler_id=scheduler_id, repeat=repeat, template=template)


async def end(side: Side, scheduler_id: str = "tick") -> Any:
    return await side.call("remove_scheduler", scheduler_id=scheduler_id)


async def value(side: Side, key: str) -> Any:
    return (await side.content())[key]["value"]


async def last_event(side: Side) -> dict[str, str]:
    return dict((await value(side, "events"))[-1])


def run(ms: int, scheduler_id: str = "tick") -> str:
    return f"repeat:{scheduler_id}:{ms}"


@item(70, "Scheduler jobs never get defa from stalling.")
async def test_item_70_a_lost_iteration_is_not_given_up(side: Side) -> None:
    await upsert(side, every=10 * MINUTE)
    for _ in range(3):
        await side.fetch()
        await side.stalled_check()
        await side.advance(30_000)
        assert await side.stalled_check() == [run(START)]
        await side.advance(30_000)
    job = await value(side, run(START))
    assert job["stc"] == "3"
    assert "defa" not in job


@item(70, "The job of a scheduler that is gone is given up like any other.")
async def test_item_70_a_lost_iteration_of_an_ended_scheduler_is_given_up(side: Side) -> None:
    await upsert(side, every=10 * MINUTE)
    await end(side)
    for _ in range(2):
        await side.fetch()
        await side.stalled_check()
        await side.advance(30_000)
        await side.stalled_check()
        await side.advance(30_000)
    assert "defa" in await value(side, run(START))
    assert await side.process({"value": "done"}) == {"started": False}


@item(
    83, "every 60000: job `repeat:<id>:<now>` waiting at once, score = that ms, record with offset, ic 1; job has rjk."
)
async def test_item_83_an_interval_runs_at_once(side: Side) -> None:
    await side.advance(12_345)
    now = START + 12_345
    assert await upsert(side, every=MINUTE) == {"id": run(now), "delay": 0}
    content = await side.content()
    assert content["wait"]["value"] == [run(now)]
    assert content["repeat"]["value"] == {"tick": now}
    assert content["repeat:tick"]["value"] == {"name": "tick", "every": "60000", "offset": "12345", "ic": "1"}
    assert content[run(now)]["value"]["rjk"] == "tick"
    assert content["id"]["value"] == "1"


@item(83, "The template gives name, data and options; a priority counts, lifo goes to the front.")
async def test_item_83_jobs_are_made_from_the_template(side: Side) -> None:
    options = {
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 7},
        "priority": 2,
        "keepLogs": 5,
        "removeOnComplete": True,
        "removeOnFail": 3,
        "custom": {"kept": True},
    }
    await upsert(side, "a", {"name": "paint", "data": {"wall": "ü/1"}, "opts": options}, every=MINUTE)
    await side.add()
    await upsert(side, "b", {"opts": {"lifo": True}}, every=MINUTE)
    content = await side.content()
    assert content["prioritized"]["value"] == {run(START, "a"): 2 * 2**32 + 1}
    assert content["wait"]["value"][-1] == run(START, "b")
    assert content[run(START, "a")]["value"]["name"] == "paint"
    for _ in range(3):
        await side.fetch()
    await side.advance(MINUTE)
    for _ in range(2):
        await side.fetch()


@item(83, "Quotes, slashes and other letters in ids survive in the options.")
async def test_item_83_an_id_may_be_any_text(side: Side) -> None:
    for scheduler_id in ('say "hi"', "back\\slash/slash", "größe ✓", "with space"):
        await upsert(side, scheduler_id, every=MINUTE)
        await side.fetch()
        assert (await value(side, run(START, scheduler_id)))["opts"]["jobId"] == run(START, scheduler_id)


@item(83, "startDate in the future is the first run, one in the past is no condition.")
async def test_item_83_an_interval_may_begin_later(side: Side) -> None:
    await upsert(side, "later", every=MINUTE, startDate=START + 90_500)
    assert await value(side, "repeat") == {"later": START + 90_500}
    assert (await value(side, "repeat:later"))["offset"] == "30500"
    await upsert(side, "past", every=MINUTE, startDate=START - 90_500)
    await upsert(side, "both", every=MINUTE, startDate=START + 90_500, offset=5_000)
    await side.advance(1_000)
    await upsert(side, "later", every=MINUTE, startDate=START + 90_500)
    await upsert(side, "later", every=MINUTE)


@item(83, "An offset puts the first run to the next slot strictly after now.")
async def test_item_83_an_offset_shifts_the_slots(side: Side) -> None:
    await upsert(side, "a", every=MINUTE, offset=5_000)
    assert await value(side, "repeat") == {"a": START + 5_000}
    await side.advance(5_000)
    await upsert(side, "b", every=MINUTE, offset=5_000)
    assert (await value(side, "repeat"))["b"] == START + MINUTE + 5_000
    await side.fetch()
    await upsert(side, "a", every=MINUTE, offset=7_000)
    await upsert(side, "a", every=MINUTE)
    assert (await value(side, "repeat:a"))["offset"] == "7000"


@item(84, "Upsert with equal every: same slot, job replaced, ic kept. Changed every: new job now.")
async def test_item_84_an_upsert_replaces_the_next_job(side: Side) -> None:
    await side.advance(12_345)
    first = START + 12_345
    await upsert(side, every=MINUTE)
    await side.fetch()
    await side.advance(1_000)
    await upsert(side, every=MINUTE, template={"data": {"new": 1}})
    content = await side.content()
    assert list(content["delayed"]["value"]) == [run(first + MINUTE)]
    assert content[run(first + MINUTE)]["value"]["data"] == '{"new":1}'
    assert content["repeat:tick"]["value"]["ic"] == "2"
    await upsert(side, every=MINUTE // 2)
    content = await side.content()
    assert content["wait"]["value"] == [run(first + 1_000)]
    assert "delayed" not in content
    await side.fetch()
    assert await value(side, "repeat") == {"tick": first + 1_000 + MINUTE // 2}


@item(84, "A waiting or prioritized job is replaced, an active one is not: the next slot is taken.")
async def test_item_84_only_a_job_that_has_not_begun_is_replaced(side: Side) -> None:
    await upsert(side, every=MINUTE)
    await side.advance(1_000)
    await upsert(side, every=MINUTE, template={"opts": {"priority": 3}})
    assert "wait" not in await side.content()
    await upsert(side, every=MINUTE, template={"name": "other"})
    assert await value(side, "wait") == [run(START)]
    await upsert(side, every=2 * MINUTE)
    await upsert(side, "last", every=MINUTE, limit=1)
    for _ in range(2):
        await side.fetch()
    await upsert(side, "last", every=MINUTE, limit=1)
    assert (await value(side, "repeat"))["last"] == START + 1_000 + MINUTE
    await side.advance(5 * MINUTE)
    await side.fetch("another")
    await side.fetch("another")
    await side.advance(5 * MINUTE + 7)
    await upsert(side, "last", every=MINUTE, limit=1)


@item(84, "An interval becomes a pattern and the other way round; a pattern becomes another.")
async def test_item_84_the_kind_may_change(side: Side) -> None:
    await upsert(side, pattern=FIVE)
    await side.advance(10)
    await upsert(side, every=MINUTE)
    assert await value(side, "wait") == [run(START + 10)]
    await side.advance(10)
    await upsert(side, pattern=FIVE)
    await upsert(side, pattern="*/7 * * * *")
    assert await value(side, "repeat") == {"tick": START + 7 * MINUTE}
    await upsert(side, every=MINUTE)
    await side.fetch()
    await upsert(side, pattern=FIVE)
    assert list(await value(side, "delayed")) == [run(START + 5 * MINUTE)]


@item(84, "Slots whose jobs exist are passed over, 32 at most (-11); a pattern has no other slot (-10).")
async def test_item_84_taken_slots(side: Side) -> None:
    await upsert(side, every=MINUTE)
    await side.fetch()
    await end(side)
    assert await upsert(side, every=MINUTE) == {"id": run(START + MINUTE), "delay": MINUTE}
    for number in range(32):
        await side.tamper("HSET", run(START + number * MINUTE, "busy"), "name", "old")
    assert (await upsert(side, "busy", every=MINUTE))["id"] == run(START + 32 * MINUTE, "busy")
    await end(side, "busy")
    await side.tamper("HSET", run(START + 32 * MINUTE, "busy"), "name", "old")
    assert await side.refused(upsert(side, "busy", every=MINUTE)) == -11
    await side.tamper("HSET", run(START + 5 * MINUTE, "cron"), "name", "old")
    assert await side.refused(upsert(side, "cron", pattern=FIVE)) == -10
    assert "busy" not in await value(side, "repeat")


@item(84, "In a paused queue jobs are placed and replaced without waking anybody.")
async def test_item_84_a_paused_queue(side: Side) -> None:
    await upsert(side, "a", every=MINUTE)
    await upsert(side, "b", every=MINUTE, offset=1_000)
    await side.tamper("HSET", "meta", "concurrency", 1)
    await side.fetch()
    await side.tamper("DEL", "marker")
    await upsert(side, "c", every=MINUTE)
    await upsert(side, "c", every=MINUTE)
    assert "0" not in (await side.content()).get("marker", {"value": {}})["value"]


@item(85, "Fetching an iteration creates exactly one next job at p+every in delayed, ic 2; retrying creates none.")
async def test_item_85_a_received_job_plans_the_next(side: Side) -> None:
    await upsert(side, every=MINUTE, template={"name": "paint", "data": {"a": 1}, "opts": {"attempts": 3}})
    await side.advance(20_000)
    await side.fetch()
    content = await side.content()
    assert content["delayed"]["value"] == {run(START + MINUTE): (START + MINUTE) * 4096}
    assert content["repeat"]["value"] == {"tick": START + MINUTE}
    assert content["repeat:tick"]["value"]["ic"] == "2"
    assert content[run(START + MINUTE)]["value"]["opts"]["repeat"] == {"every": MINUTE, "count": 2}
    await side.fail(run(START))
    await side.fetch()
    await side.fail(run(START), unrecoverable=True)
    content = await side.content()
    assert content["id"]["value"] == "2"
    assert list(content["delayed"]["value"]) == [run(START + MINUTE)]


@item(85, "Missed runs are left out, not caught up; the slots stay where they were.")
async def test_item_85_missed_runs_are_left_out(side: Side) -> None:
    await side.advance(12_345)
    await upsert(side, every=MINUTE)
    await side.fetch()
    await side.advance(200_000)
    await side.fetch()
    assert await value(side, "repeat") == {"tick": START + 252_345}
    await side.advance(100_000 - 60_000 + 1_000_000)
    await side.fetch()


@item(85, "A job that only has to be failed plans the next one too.")
async def test_item_85_a_deferred_failure_plans_the_next(side: Side) -> None:
    await upsert(side, every=MINUTE)
    await side.tamper("HSET", run(START), "defa", "given up")
    assert await side.process({"value": "done"}) == {"started": False}
    assert await side.state(run(START)) == "failed"
    assert await value(side, "repeat") == {"tick": START + MINUTE}


@item(85, "The next job exists: duplicated, nothing else. No longer the current one: nothing.")
async def test_item_85_what_is_planned_already(side: Side) -> None:
    await upsert(side, every=MINUTE)
    await side.tamper("HSET", run(START + MINUTE), "name", "old")
    await side.fetch()
    assert await last_event(side) == {"event": "duplicated", "jobId": run(START + MINUTE)}
    assert await value(side, "repeat") == {"tick": START}
    await upsert(side, "gone", every=MINUTE)
    await end(side, "gone")
    await side.fetch()
    assert "gone" not in await value(side, "repeat")
    await upsert(side, "lost", every=MINUTE)
    await side.tamper("ZREM", "repeat", "lost")
    await side.fetch()
    assert "delayed" not in await side.content()


@item(85, "Without data in the record the next job has none.")
async def test_item_85_data_come_from_the_record(side: Side) -> None:
    await upsert(side, every=MINUTE, template={"data": {"a": 1}})
    await side.tamper("HDEL", "repeat:tick", "data")
    await side.fetch()
    assert "data" in await value(side, run(START + MINUTE))


@item(85, "A deduplication id of the template is written down, and owned by nobody.")
async def test_item_85_a_deduplication_id_is_only_kept(side: Side) -> None:
    template = {"opts": {"deduplication": {"id": "one"}}}
    await upsert(side, every=MINUTE, template=template)
    await side.fetch()
    content = await side.content()
    assert content[run(START)]["value"]["deid"] == "one"
    assert content[run(START + MINUTE)]["value"]["deid"] == "one"
    assert "de:one" not in content


@item(86, "Pattern with tz: score equals the cron time in that zone; limit 1: no second iteration.")
async def test_item_86_a_pattern_runs_by_the_wall_clock(side: Side) -> None:
    await upsert(side, pattern="30 3 * * *", tz="America/New_York", limit=1)
    [due] = (await value(side, "repeat")).values()
    told = datetime.fromtimestamp(due / 1000, ZoneInfo("America/New_York"))
    assert (told.hour, told.minute, told.second) == (3, 30, 0)
    assert (await value(side, run(int(due))))["opts"]["prevMillis"] == due
    await side.advance(int(due) - START + 5)
    await side.fetch()
    content = await side.content()
    assert content["active"]["value"] == [run(int(due))]
    assert "delayed" not in content
    assert content["repeat"]["value"] == {"tick": due}


@item(86, "Patterns go on from their own run; six fields begin with seconds.")
async def test_item_86_a_pattern_goes_on(side: Side) -> None:
    await upsert(side, "five", {"opts": {"attempts": 2, "backoff": {"type": "fixed", "delay": 9}}}, pattern=FIVE)
    await upsert(side, "ten", pattern="*/10 * * * * *", tz="Asia/Kolkata")
    await side.advance(10_000)
    await side.fetch()
    assert (await value(side, "repeat"))["ten"] == START + 20_000
    await side.advance(17 * MINUTE)
    for _ in range(2):
        await side.fetch()
    assert (await value(side, "repeat"))["five"] == START + 20 * MINUTE


@item(86, "immediately: the first run of a pattern is now, the second the pattern's.")
async def test_item_86_a_pattern_may_begin_immediately(side: Side) -> None:
    await side.advance(10)
    assert (await upsert(side, pattern=FIVE, immediately=True))["delay"] == 0
    await side.fetch()
    assert await value(side, "repeat") == {"tick": START + 5 * MINUTE}


@item(86, "startDate, endDate and limit end a schedule; the entry stays.")
async def test_item_86_schedules_end(side: Side) -> None:
    await upsert(side, "limited", every=MINUTE, limit=2)
    await upsert(side, "cron", pattern=FIVE, startDate=START + 7 * MINUTE, endDate=START + 16 * MINUTE)
    assert (await value(side, "repeat"))["cron"] == START + 10 * MINUTE
    await upsert(side, "dated", every=10 * MINUTE, endDate=START + 12 * MINUTE)
    for _ in range(2):
        await side.fetch()
    for minutes in (10, 5, 5, 5, 5):
        await side.advance(minutes * MINUTE)
        for _ in range(3):
            await side.fetch()
    content = await side.content()
    assert "delayed" not in content
    assert set(content["repeat"]["value"]) == {"limited", "cron", "dated"}
    assert await side.refused(upsert(side, "over", every=MINUTE, endDate=START)) is None
    assert await side.refused(upsert(side, "both", every=MINUTE, pattern=FIVE)) is None
    assert await side.refused(upsert(side, "none")) is None
    assert await side.refused(upsert(side, "two", pattern=FIVE, immediately=True, startDate=START)) is None


@item(87, "Remove: repeat entry, record and delayed job gone, event removed. Direct removal of the iteration: -8.")
async def test_item_87_an_ended_scheduler_leaves_nothing(side: Side) -> None:
    await upsert(side, every=MINUTE)
    assert await side.refused(side.call("remove", job_id=run(START))) == -8
    await side.fetch()
    assert await side.refused(side.call("remove", job_id=run(START + MINUTE))) == -8
    assert await end(side) is True
    assert await last_event(side) == {"event": "removed", "jobId": run(START + MINUTE), "prev": "delayed"}
    content = await side.content()
    assert not {"repeat", "repeat:tick", "delayed", run(START + MINUTE)} & set(content)
    assert content["active"]["value"] == [run(START)]
    assert await end(side) is False


@item(87, "A waiting iteration stays; it is the last one.")
async def test_item_87_a_waiting_iteration_stays(side: Side) -> None:
    await upsert(side, every=MINUTE)
    await end(side)
    assert await value(side, "wait") == [run(START)]
    await side.fetch()
    await side.complete(run(START))
    assert "delayed" not in await side.content()


@item(87, "Schedulers are listed by their next run, with their template.")
async def test_item_87_schedulers_can_be_asked_for(side: Side) -> None:
    await upsert(side, "b", {"data": {"x": [1]}, "opts": {"attempts": 2}}, every=MINUTE)
    await upsert(side, "a", pattern="0 3 * * *", tz="Europe/Berlin", limit=4, endDate=START + 10**9)
    await upsert(side, "c", every=MINUTE, offset=3, startDate=START + 7)
    for scheduler_id in ("a", "b", "c", "unknown"):
        await side.call("scheduler", scheduler_id=scheduler_id)
    for start, last, ascending in ((0, -1, True), (0, -1, False), (1, 1, True), (5, 9, True)):
        await side.call("schedulers", start=start, end=last, asc=ascending)


@item(84, "A pattern in the place of an interval whose run is replaced keeps the interval's offset.")
async def test_item_84_a_pattern_after_an_interval(side: Side) -> None:
    await side.advance(41_000)
    await upsert(side, every=MINUTE)
    await upsert(side, pattern=FIVE)
    assert (await value(side, "repeat:tick"))["offset"] == "41000"
    await upsert(side, "other", every=MINUTE)
    await side.fetch()
    await side.advance(1000)
    await upsert(side, "other", pattern=FIVE)
    await upsert(side, "third", pattern=FIVE)
