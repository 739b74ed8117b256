"""Fetching jobs (protocol §3.1; numbers are those of the checklist in §13)."""

from __future__ import annotations

import pytest

from bullpen.protocol.calls.work import RateLimit
from tests.integration.client.desk import LOCK_MS, NOW, Desk, completed


async def test_a_claim_moves_locks_counts_and_tells(desk: Desk) -> None:  # 30
    await desk.add()
    await desk.add()
    desk.events()
    desk.raw.delete(desk.keys.marker)
    claimed = await desk.claim_one()
    assert (claimed.job.id, claimed.token) == ("1", "t1")
    assert (desk.list("wait"), desk.list("active")) == (["2"], ["1"])
    assert desk.raw.get(desk.keys.lock("1")) == "t1"
    assert 0 < desk.raw.pttl(desk.keys.lock("1")) <= LOCK_MS
    assert (desk.job("1")["processedOn"], desk.job("1")["ats"]) == (str(NOW), "1")
    assert desk.events() == ["active jobId=1 prev=waiting"]
    assert desk.scores("marker") == {"0": 0.0}
    assert {name.decode(): value.decode() for name, value in claimed.job.fields.items()} == desk.job("1")


async def test_a_named_worker_signs(desk: Desk) -> None:  # 31
    await desk.add()
    await desk.add()
    assert (await desk.claim_one(worker="pod-1")).job.processed_by == "pod-1"
    assert desk.job("1")["pb"] == "pod-1"
    assert (await desk.claim_one()).job.processed_by is None
    assert "pb" not in desk.job("2")


async def test_many_are_claimed_in_service_order_each_with_a_token_of_its_own(desk: Desk) -> None:  # 32
    await desk.add(priority=2)
    await desk.add(priority=1)
    await desk.add()
    await desk.add()
    claims = await desk.claim(10)
    assert [claimed.job.id for claimed in claims] == ["3", "4", "2", "1"]
    assert [desk.raw.get(desk.keys.lock(claimed.job.id)) for claimed in claims] == ["t1", "t2", "t3", "t4"]
    assert desk.list("active") == ["1", "2", "4", "3"]


async def test_many_claims_equal_as_many_single_ones(desk: Desk) -> None:
    for priority in (0, 3, 0, 1):
        await desk.add(priority=priority)
    singles = [(await desk.claim_one()).job.id for _ in range(4)]
    one_by_one = (desk.list("active"), desk.events()[-4:])
    desk.raw.flushdb()
    for priority in (0, 3, 0, 1):
        await desk.add(priority=priority)
    assert [claimed.job.id for claimed in await desk.claim(4)] == singles
    assert (desk.list("active"), desk.events()[-4:]) == one_by_one


async def test_due_jobs_are_promoted_in_order_before_the_claim(desk: Desk) -> None:  # 33
    await desk.add(delay=20)
    await desk.add(delay=10)
    desk.events()
    desk.now += 20
    assert (await desk.claim_one()).job.id == "2"
    assert desk.events() == [
        "waiting jobId=2 prev=delayed",
        "waiting jobId=1 prev=delayed",
        "active jobId=2 prev=waiting",
    ]
    assert (desk.job("1")["delay"], desk.job("2")["delay"]) == ("0", "0")


@pytest.mark.parametrize(("later", "due"), [(-1, False), (0, True), (1, True)])
async def test_a_job_is_due_from_its_very_ms_on(desk: Desk, later: int, due: bool) -> None:
    await desk.add(delay=100)
    await desk.add(delay=100)  # the second sequence of the ms is due with the first
    desk.now += 100 + later
    assert len(await desk.claim(2)) == (2 if due else 0)


async def test_one_call_promotes_a_thousand(desk: Desk) -> None:  # 34
    desk.raw.zadd(desk.keys.delayed, {f"j{n}": (NOW - 1) * 4096 + n for n in range(1001)})
    await desk.claim_one()
    assert desk.raw.zcard(desk.keys.delayed) == 1
    assert desk.raw.llen(desk.keys.wait) == 999


async def test_a_due_job_with_priority_gets_a_fresh_place(desk: Desk) -> None:  # 35
    await desk.add(priority=5)
    await desk.add(priority=5, delay=10)
    desk.now += 10
    desk.meta(concurrency=0)
    assert (await desk.work(claim=1)).blocked
    assert desk.scores("prioritized") == {"1": 5 * 2**32 + 1, "2": 5 * 2**32 + 2}


async def test_a_paused_queue_gives_nothing_yet_promotes(desk: Desk) -> None:  # 36
    await desk.add()
    await desk.add(delay=10)
    desk.meta(paused=1)
    desk.raw.delete(desk.keys.marker)
    desk.now += 10
    reply = await desk.work(claim=3)
    assert (reply.claimed, reply.blocked, reply.due_ms, reply.limited_ms) == ((), True, 0, 0)
    assert desk.list("paused") == ["2"]
    assert desk.scores("marker") == {}


async def test_global_concurrency_counts_all_active_jobs(desk: Desk) -> None:  # 37
    for _ in range(5):
        await desk.add()
    desk.meta(concurrency=2)
    reply = await desk.work(claim=5)
    assert ([claimed.job.id for claimed in reply.claimed], reply.blocked) == (["1", "2"], True)
    assert (await desk.work(claim=1)).blocked
    after = await desk.work(completed(reply.claimed[0]), claim=3)
    assert ([claimed.job.id for claimed in after.claimed], after.blocked) == (["3"], True)


async def test_a_limiter_stops_the_window_at_its_max(desk: Desk) -> None:  # 38
    for _ in range(5):
        await desk.add()
    limiter = RateLimit(max=2, duration_ms=60_000)
    first = await desk.work(claim=1, limiter=limiter)
    assert desk.raw.get(desk.keys.limiter) == "1"
    assert 0 < desk.raw.pttl(desk.keys.limiter) <= 60_000
    assert first.limited_ms == 0
    second = await desk.work(claim=3, limiter=limiter)
    assert [claimed.job.id for claimed in second.claimed] == ["2"]
    assert 0 < second.limited_ms <= 60_000
    assert desk.list("wait") == ["5", "4", "3"]


async def test_the_queues_max_beats_the_workers_but_not_its_duration(desk: Desk) -> None:  # 39
    for _ in range(3):
        await desk.add()
    desk.meta(max=1, duration=50)
    reply = await desk.work(claim=2, limiter=RateLimit(max=2, duration_ms=60_000))
    assert len(reply.claimed) == 1
    assert 50 < reply.limited_ms <= 60_000


async def test_the_queues_limit_needs_no_limiter_of_the_worker(desk: Desk) -> None:
    for _ in range(3):
        await desk.add()
    desk.meta(max=1, duration=60_000)
    assert len(await desk.claim(2)) == 1
    assert (await desk.work(claim=1)).limited_ms > 0


async def test_a_manual_limit_blocks_whoever_has_a_max(desk: Desk) -> None:  # 40
    await desk.add()
    desk.raw.set(desk.keys.limiter, 9007199254740991, px=60_000)
    limited = await desk.work(claim=1, limiter=RateLimit(max=100, duration_ms=1000))
    assert 1000 < limited.limited_ms <= 60_000
    assert len(await desk.claim(1)) == 1  # no max, no limit


async def test_a_counter_without_expiry_limits_nothing(desk: Desk) -> None:
    for _ in range(3):
        await desk.add()
    desk.raw.set(desk.keys.limiter, 5)
    assert len(await desk.claim(3, limiter=RateLimit(max=1, duration_ms=60_000))) == 3


async def test_a_job_that_only_has_to_be_failed_takes_no_place_in_the_window(desk: Desk) -> None:  # §12
    for _ in range(3):
        await desk.add()
    desk.raw.hset(desk.keys.job("1"), "defa", "job stalled more than allowable limit")
    claims = await desk.claim(3, limiter=RateLimit(max=1, duration_ms=60_000))
    assert [claimed.job.id for claimed in claims] == ["1", "2"]
    assert claims[0].job.deferred_failure == "job stalled more than allowable limit"
    assert desk.raw.get(desk.keys.limiter) == "1"


async def test_an_empty_queue_tells_the_next_due_time(desk: Desk) -> None:  # 41
    desk.raw.set(desk.keys.base + "pc", 7)
    assert (await desk.work(claim=1)).due_ms == 0
    assert desk.raw.exists(desk.keys.base + "pc") == 0
    await desk.add(delay=500)
    await desk.add(delay=500)
    reply = await desk.work(claim=1)
    assert (reply.due_ms, reply.blocked, reply.limited_ms) == (NOW + 500, False, 0)


async def test_fewer_jobs_than_asked_for_still_tell_the_next_due_time(desk: Desk) -> None:
    await desk.add()
    await desk.add(delay=500)
    reply = await desk.work(claim=3)
    assert (len(reply.claimed), reply.due_ms) == (1, NOW + 500)


async def test_markers_of_old_clients_are_dropped(desk: Desk) -> None:  # §1.1
    desk.raw.lpush(desk.keys.wait, "a", "0:1", "b", "0:0", "c")
    assert [claimed.job.id for claimed in await desk.claim(3)] == ["a", "b", "c"]
    assert desk.list("wait") == []
    assert desk.list("active") == ["c", "b", "a"]


async def test_an_id_without_a_hash_is_a_lost_job(desk: Desk) -> None:
    desk.raw.lpush(desk.keys.wait, "ghost")
    claimed = await desk.claim_one()
    assert claimed.job.lost
    assert claimed.job.attempts_started == 1


async def test_a_second_start_counts_on(desk: Desk) -> None:
    await desk.add()
    desk.raw.hset(desk.keys.job("1"), "ats", 4)
    assert (await desk.claim_one()).job.attempts_started == 5
    assert desk.job("1")["ats"] == "5"


async def test_asking_for_nothing_does_nothing(desk: Desk) -> None:
    await desk.add(delay=10)
    desk.now += 10
    before = desk.fingerprint()
    await desk.work()
    assert desk.fingerprint() == before


async def test_a_job_delayed_beyond_all_clocks_is_due_in_the_future(desk: Desk) -> None:
    """A due time past 2^63 must not come back as a negative number, for which a worker would never rest."""
    added = await desk.add(delay=1000)
    desk.raw.zadd(desk.keys.delayed, {added: 1e300})  # as a producer of others may have asked for
    reply = await desk.work(claim=1)
    assert reply.claimed == ()
    assert reply.due_ms > desk.now
