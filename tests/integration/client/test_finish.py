"""Finishing jobs (protocol §4; numbers are those of the checklist in §13)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bullpen.protocol import KeepJobs
from bullpen.protocol.calls.flow import OnFailure, Parent, add_child
from bullpen.protocol.calls.work import Finish
from bullpen.protocol.replies import Outcome, Status
from tests.integration.client.desk import NOW, Desk, completed, failed


async def test_a_completed_job(desk: Desk) -> None:  # 44
    await desk.add()
    await desk.add()
    claimed = await desk.claim_one()
    desk.events()
    desk.now += 5
    assert await desk.finish(completed(claimed, '{"url":"ü"}')) == [Status.OK]
    assert desk.raw.exists(desk.keys.lock("1")) == 0
    assert desk.list("active") == []
    assert desk.scores("completed") == {"1": NOW + 5}
    job = desk.job("1")
    assert (job["returnvalue"], job["finishedOn"], job["atm"]) == ('{"url":"ü"}', str(NOW + 5), "1")
    assert desk.events() == ['completed jobId=1 returnvalue={"url":"ü"} prev=active']


async def test_a_failed_job(desk: Desk) -> None:  # 51
    await desk.add(attempts=1)
    await desk.add()
    claimed = await desk.claim_one()
    desk.raw.hset(desk.keys.job("1"), "defa", "deferred")
    desk.events()
    await desk.finish(failed(claimed, "boom", attempts=1, fields={"stacktrace": '["at x"]'}))
    job = desk.job("1")
    assert (job["failedReason"], job["stacktrace"], job["atm"], job["finishedOn"]) == (
        "boom",
        '["at x"]',
        "1",
        str(NOW),
    )
    assert "defa" not in job
    assert desk.scores("failed") == {"1": NOW}
    assert desk.events() == [
        "failed jobId=1 failedReason=boom prev=active",
        "retries-exhausted jobId=1 attemptsMade=1",
    ]


async def test_a_failure_before_the_last_attempt_exhausts_nothing(desk: Desk) -> None:  # 52
    await desk.add(attempts=3)
    await desk.add()
    claimed = await desk.claim_one()
    desk.events()
    await desk.finish(failed(claimed, attempts=3))
    assert desk.events() == ["failed jobId=1 failedReason=boom prev=active"]


async def test_who_does_not_own_the_job_changes_nothing(desk: Desk) -> None:  # 46
    await desk.add()
    await desk.add()
    owned, unlocked = await desk.claim(2)
    desk.raw.delete(desk.keys.lock("2"))
    before = desk.fingerprint()
    foreign = replace(completed(owned), token="somebody else's")
    unknown = Finish("ghost", "t", Outcome.COMPLETED, "null")
    statuses = await desk.finish(foreign, completed(unlocked), unknown)
    assert statuses == [Status.LOCK_FOREIGN, Status.LOCK_MISSING, Status.MISSING]
    assert desk.fingerprint() == before


async def test_a_job_that_is_not_active_loses_its_lock_and_keeps_the_extra_fields(desk: Desk) -> None:  # 46, quirk
    await desk.add()
    claimed = await desk.claim_one()
    desk.raw.delete(desk.keys.active)
    assert await desk.finish(failed(claimed, fields={"stacktrace": "[]"})) == [Status.NOT_IN_STATE]
    assert desk.raw.exists(desk.keys.lock("1")) == 0
    assert desk.job("1")["stacktrace"] == "[]"
    assert "finishedOn" not in desk.job("1")


async def test_children_forbid_completing_but_not_failing(desk: Desk) -> None:  # 78
    for _ in range(3):
        await desk.add()
    pending, spoilt, other = await desk.claim(3)
    desk.raw.sadd(desk.keys.job("1") + ":dependencies", "bull:videos:9")
    desk.raw.zadd(desk.keys.job("2") + ":unsuccessful", {"bull:videos:9": NOW})
    statuses = await desk.finish(completed(pending), completed(spoilt), completed(other))
    assert statuses == [Status.PENDING_CHILDREN, Status.FAILED_CHILDREN, Status.OK]
    assert desk.raw.get(desk.keys.lock("1")) == "t1"
    assert await desk.finish(failed(pending), failed(spoilt)) == [Status.OK, Status.OK]


async def test_one_refusal_in_a_batch_does_not_touch_the_others(desk: Desk) -> None:
    for _ in range(3):
        await desk.add()
    first, second, third = await desk.claim(3)
    desk.raw.delete(desk.keys.lock("2"))
    statuses = await desk.finish(completed(first), completed(second), failed(third))
    assert statuses == [Status.OK, Status.LOCK_MISSING, Status.OK]
    assert (set(desk.scores("completed")), set(desk.scores("failed"))) == ({"1"}, {"3"})
    assert desk.list("active") == ["2"]


async def test_a_child_may_spoil_its_parent_in_the_same_call(desk: Desk) -> None:  # 78
    await desk.add()
    parent = await desk.claim_one()
    above = Parent(desk.keys, parent.job.id)
    for on_failure in (OnFailure.FAIL_PARENT, None):
        call = add_child(desk.keys, parent=above, name="draw", data="{}", now=NOW, on_failure=on_failure)
        await desk.link.run(call)
    breaking, pending = await desk.claim(2)
    statuses = await desk.finish(failed(breaking), completed(pending), completed(parent))
    assert statuses == [Status.OK, Status.OK, Status.FAILED_CHILDREN]
    assert desk.raw.exists(desk.keys.lock(parent.job.id)) == 1
    assert await desk.finish(failed(parent)) == [Status.OK]


async def test_a_job_ends_once_in_a_call(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    assert await desk.finish(completed(claimed), failed(claimed)) == [Status.OK, Status.LOCK_MISSING]
    assert (desk.scores("completed"), desk.scores("failed")) == ({"1": NOW}, {})


async def test_more_jobs_than_lua_can_take_at_once_end_in_one_call(desk: Desk) -> None:
    for _ in range(2500):
        await desk.add()
    claimed = await desk.claim(2500)
    statuses = await desk.finish(*map(completed, claimed))
    assert statuses == [Status.OK] * 2500
    assert len(desk.scores("completed")) == 2500
    assert set(desk.raw.keys("*:lock")) == set()


async def test_a_finish_takes_the_mark_of_the_stalled_check(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    desk.raw.sadd(desk.keys.base + "stalled", "1", "9")
    await desk.finish(completed(claimed))
    assert desk.raw.smembers(desk.keys.base + "stalled") == {"9"}


async def test_keeping_none_leaves_only_the_event(desk: Desk) -> None:  # 47
    await desk.add()
    await desk.add()
    claimed = await desk.claim_one()
    desk.raw.rpush(desk.keys.logs("1"), "row")
    desk.events()
    await desk.finish(completed(claimed, "7", keep=KeepJobs(count=0)))
    assert desk.raw.exists(desk.keys.job("1"), desk.keys.logs("1")) == 0
    assert desk.scores("completed") == {}
    assert desk.events() == ["completed jobId=1 returnvalue=7 prev=active"]


async def test_a_failure_removed_at_once_tells_that_it_is_exhausted(desk: Desk) -> None:
    await desk.add()
    await desk.add()
    claimed = await desk.claim_one()
    desk.events()
    await desk.finish(failed(claimed, keep=KeepJobs(count=0)))
    assert desk.raw.exists(desk.keys.job("1")) == 0
    assert desk.events()[-1] == "retries-exhausted jobId=1 attemptsMade=1"


async def test_keeping_two_keeps_the_newest_two(desk: Desk) -> None:  # 48
    for _ in range(5):
        await desk.add()
    claims = await desk.claim(4)
    desk.raw.rpush(desk.keys.logs("1"), "row")
    desk.events()
    for claimed in claims:
        desk.now += 1
        await desk.finish(completed(claimed, keep=KeepJobs(count=2)))
    assert set(desk.scores("completed")) == {"3", "4"}
    assert desk.raw.exists(desk.keys.job("1"), desk.keys.job("2"), desk.keys.logs("1")) == 0
    assert [event.split()[0] for event in desk.events()] == ["completed"] * 4


async def test_jobs_older_than_the_age_go_at_most_the_limit_at_once(desk: Desk) -> None:
    for _ in range(4):
        await desk.add()
    claims = await desk.claim(4)
    for claimed in claims[:3]:
        await desk.finish(completed(claimed))
        desk.now += 1000
    desk.now = NOW + 10_000
    await desk.finish(completed(claims[3], keep=KeepJobs(age=8.5, limit=1)))
    assert set(desk.scores("completed")) == {"1", "3", "4"}  # of the two old ones the newer was within the limit


async def test_age_zero_removes_the_job_itself(desk: Desk) -> None:  # 49
    await desk.add()
    claimed = await desk.claim_one()
    await desk.finish(completed(claimed, keep=KeepJobs(age=0)))
    assert desk.scores("completed") == {}
    assert desk.raw.exists(desk.keys.job("1")) == 0


async def test_age_and_count_both_apply(desk: Desk) -> None:
    for _ in range(4):
        await desk.add()
    for claimed in await desk.claim(4):
        desk.now += 1000
        await desk.finish(completed(claimed, keep=KeepJobs(count=2, age=100)))
    assert set(desk.scores("completed")) == {"3", "4"}


@pytest.mark.parametrize("keep", [KeepJobs(), KeepJobs(count=-1)])
async def test_keeping_all_keeps_all(desk: Desk, keep: KeepJobs) -> None:  # 50
    for _ in range(3):
        await desk.add()
    await desk.finish(*[completed(claimed, keep=keep) for claimed in await desk.claim(3)])
    assert set(desk.scores("completed")) == {"1", "2", "3"}


async def test_the_last_job_drains_the_queue_even_with_delayed_ones_left(desk: Desk) -> None:  # 53
    await desk.add()
    await desk.add(delay=1000)
    claimed = await desk.claim_one()
    await desk.finish(completed(claimed))
    assert desk.events()[-1] == "drained"


async def test_with_fetch_next_delayed_jobs_keep_it_from_being_drained(desk: Desk) -> None:  # 54
    await desk.add()
    await desk.add(delay=1000)
    claimed = await desk.claim_one()
    reply = await desk.work(completed(claimed), claim=1)
    assert reply.due_ms == NOW + 1000
    assert not [event for event in desk.events() if event.startswith("drained")]


async def test_with_fetch_next_the_last_job_drains_the_queue(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    await desk.work(completed(claimed), claim=1)
    assert desk.events()[-1] == "drained"


async def test_jobs_of_a_paused_list_do_not_keep_it_from_being_drained(desk: Desk) -> None:  # §4.8
    await desk.add()
    claimed = await desk.claim_one()
    desk.meta(paused=1)
    await desk.add()
    await desk.finish(completed(claimed))
    assert desk.events()[-1] == "drained"


@pytest.mark.parametrize("state", ["wait", "active", "prioritized"])
async def test_work_left_is_not_drained(desk: Desk, state: str) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    if state == "prioritized":
        await desk.add(priority=1)
    else:
        desk.raw.lpush(desk.keys.base + state, "other")
    await desk.finish(completed(claimed))
    assert desk.events()[-1].startswith("completed")


async def test_a_refused_finish_drains_nothing(desk: Desk) -> None:
    await desk.finish(Finish("ghost", "t", Outcome.COMPLETED, "null"))
    await desk.work(Finish("ghost", "t", Outcome.COMPLETED, "null"), claim=1)
    assert desk.events() == []


async def test_asking_an_empty_queue_drains_nothing(desk: Desk) -> None:
    await desk.claim(1)
    assert desk.events() == []


async def test_a_batch_drains_once_and_last(desk: Desk) -> None:
    for _ in range(3):
        await desk.add()
    claims = await desk.claim(3)
    desk.events()
    await desk.finish(*[completed(claimed) for claimed in claims])
    assert [event.split()[0] for event in desk.events()] == ["completed"] * 3 + ["drained"]


async def test_finish_with_fetch_next_equals_finish_then_fetch(desk: Desk) -> None:  # 56
    async def prepare() -> Finish:
        desk.raw.flushdb()
        desk.claims = 0
        for priority in (0, 0, 4):
            await desk.add(priority=priority)
        await desk.add(delay=0)
        return completed(await desk.claim_one(), "1")

    def dump() -> tuple[list[str], dict[str, Any]]:
        stream = desk.events()
        desk.raw.delete(desk.keys.events)
        return stream, desk.fingerprint()

    finish = await prepare()
    await desk.work(finish, claim=1)
    together = dump()
    finish = await prepare()
    await desk.work(finish)
    await desk.claim(1)
    assert dump() == together


async def test_metrics_are_off_unless_asked_for(desk: Desk) -> None:  # 55
    await desk.add()
    await desk.finish(completed(await desk.claim_one()))
    assert desk.raw.keys(desk.keys.base + "metrics*") == []


async def test_metrics_count_by_minute(desk: Desk) -> None:  # 55, §4.5
    start = NOW - NOW % 60_000
    times = [0, 0.5, 30, 60, 61, 240, 245, 300]
    for _ in times:
        await desk.add()
    claims = await desk.claim(len(times))
    for claimed, seconds in zip(claims, times, strict=True):
        desk.now = start + int(seconds * 1000)
        await desk.finish(completed(claimed), metrics=4)
    assert desk.list("metrics:completed:data") == ["2", "0", "0", "2"]
    metrics = desk.raw.hgetall(desk.keys.base + "metrics:completed")
    assert metrics == {"count": "8", "prevTS": str(start + 300_000), "prevCount": "7"}


async def test_metrics_of_failures_are_their_own(desk: Desk) -> None:
    await desk.add()
    await desk.finish(failed(await desk.claim_one()), metrics=4)
    assert desk.raw.keys(desk.keys.base + "metrics*") == [desk.keys.base + "metrics:failed"]


async def test_active_is_searched_from_the_newest_so_long_jobs_cost_nothing(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    desk.raw.rpush(desk.keys.active, *[f"long{n}" for n in range(500)], "1")
    await desk.finish(completed(claimed))
    assert desk.list("active")[0] == "long0"
    assert desk.list("active")[-1] == "1"  # a search from the other end would have passed 500 and taken this one


@pytest.mark.parametrize("keep", [KeepJobs(count=10**30), KeepJobs(age=1e30), KeepJobs(count=5, age=1.0, limit=10**30)])
async def test_a_keep_rule_beyond_all_numbers_of_redis_keeps_the_job(desk: Desk, keep: KeepJobs) -> None:
    """A producer's way to say "for ever"; a finish that Redis refuses would never end."""
    await desk.add()
    assert await desk.finish(completed(await desk.claim_one(), keep=keep)) == [Status.OK]
    assert desk.scores("completed") == {"1": NOW}
