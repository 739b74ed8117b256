"""Ownership (protocol §6; numbers are those of the checklist in §13)."""

from __future__ import annotations

import pytest
import redis

from bullpen.client.connection import Link
from bullpen.errors import JobMissing, LockLost
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls import locks
from bullpen.protocol.location import RedisLocation
from tests.integration.client.desk import LOCK_MS, NOW, Desk
from tests.integration.redis_server import RedisServer


async def test_locks_are_renewed_and_the_lost_ones_named(desk: Desk) -> None:
    for _ in range(4):
        await desk.add()
    claims = await desk.claim(4)
    stalled = desk.keys.base + "stalled"
    desk.raw.sadd(stalled, "1", "2", "3", "4")
    desk.raw.delete(desk.keys.lock("2"))
    desk.raw.set(desk.keys.lock("3"), "somebody else's")
    held = [(claimed.job.id, claimed.token) for claimed in claims]
    lost = await desk.link.run(locks.extend(desk.keys, locks=held, lock_ms=5 * LOCK_MS))
    assert lost == {"2", "3"}
    assert desk.raw.pttl(desk.keys.lock("1")) > LOCK_MS
    assert desk.raw.exists(desk.keys.lock("2")) == 0
    assert desk.raw.get(desk.keys.lock("3")) == "somebody else's"
    assert desk.raw.smembers(stalled) == {"2", "3"}


async def test_locks_are_renewed_when_redis_is_out_of_memory(own_redis: RedisServer) -> None:
    """Full memory must not make every long job lose its lock, and run twice."""
    keys = QueueKeys("bull", "videos")
    async with Link(RedisLocation.parse(own_redis.url)) as link:
        with redis.Redis(port=own_redis.port) as raw:
            raw.set(keys.lock("1"), "t", px=LOCK_MS)
            raw.config_set("maxmemory", 1)
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                raw.set("anything", "more")
            held = [("1", "t")]
            assert await link.run(locks.extend(keys, locks=held, lock_ms=10 * LOCK_MS)) == frozenset()
            assert raw.pttl(keys.lock("1")) > LOCK_MS


async def test_thousands_of_locks_are_renewed_in_one_call(desk: Desk) -> None:
    held = [(f"j{n}", "t") for n in range(3000)]
    desk.raw.mset({desk.keys.lock(job_id): token for job_id, token in held})
    desk.raw.sadd(desk.keys.base + "stalled", *[job_id for job_id, _token in held])
    assert await desk.link.run(locks.extend(desk.keys, locks=held, lock_ms=LOCK_MS)) == frozenset()
    assert desk.raw.exists(desk.keys.base + "stalled") == 0


async def test_a_released_job_is_next_as_if_it_had_never_been_claimed(desk: Desk) -> None:  # 65
    await desk.add()
    await desk.add()
    claimed = await desk.claim_one()
    desk.events()
    desk.raw.delete(desk.keys.marker)
    assert await desk.link.run(locks.release(desk.keys, job_id="1", token=claimed.token)) == 0
    assert (desk.list("wait"), desk.list("active")) == (["2", "1"], [])
    assert desk.events() == ["waiting jobId=1 prev=active"]
    assert (desk.job("1")["ats"], "atm" in desk.job("1")) == ("1", False)
    assert desk.scores("marker") == {"0": 0.0}
    assert desk.raw.exists(desk.keys.lock("1")) == 0


async def test_a_released_prioritized_job_is_first_of_its_priority_and_wakes_a_worker(desk: Desk) -> None:  # 65, §12
    await desk.add(priority=3)
    await desk.add(priority=3)
    claimed = await desk.claim_one()
    desk.raw.delete(desk.keys.marker)
    await desk.link.run(locks.release(desk.keys, job_id="1", token=claimed.token))
    assert desk.scores("prioritized") == {"1": 3 * 2**32, "2": 3 * 2**32 + 2}
    assert desk.scores("marker") == {"0": 0.0}


async def test_a_release_into_a_paused_queue_wakes_nobody(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    desk.meta(paused=1)
    desk.raw.delete(desk.keys.marker)
    await desk.link.run(locks.release(desk.keys, job_id="1", token=claimed.token))
    assert desk.list("paused") == ["1"]
    assert desk.scores("marker") == {}


async def test_a_release_tells_how_long_a_rate_limit_lasts(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    desk.raw.set(desk.keys.limiter, 1, px=60_000)
    left = await desk.link.run(locks.release(desk.keys, job_id="1", token=claimed.token))
    assert 0 < left <= 60_000


async def test_a_release_by_who_does_not_own_the_job_changes_nothing(desk: Desk) -> None:
    await desk.add()
    await desk.add()
    await desk.claim(2)
    desk.raw.delete(desk.keys.lock("2"))
    before = desk.fingerprint()
    with pytest.raises(JobMissing):
        await desk.link.run(locks.release(desk.keys, job_id="ghost", token="t1"))
    with pytest.raises(LockLost, match="another worker"):
        await desk.link.run(locks.release(desk.keys, job_id="1", token="other"))
    with pytest.raises(LockLost, match="no lock"):
        await desk.link.run(locks.release(desk.keys, job_id="2", token="t2"))
    assert desk.fingerprint() == before


async def test_a_release_of_a_job_that_is_not_active_only_drops_the_lock(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    desk.raw.delete(desk.keys.active)
    desk.events()
    await desk.link.run(locks.release(desk.keys, job_id="1", token=claimed.token))
    assert (desk.list("wait"), desk.events()) == ([], [])


async def check(desk: Desk, **settings: int) -> tuple[str, ...]:
    """A stalled check whose interval is over."""
    desk.raw.delete(desk.keys.base + "stalled-check")
    return await desk.link.run(locks.stalled_check(desk.keys, now=desk.now, **settings))


async def test_the_second_check_returns_a_lost_job_to_the_front(desk: Desk) -> None:  # 66
    for _ in range(3):
        await desk.add()
    await desk.claim(2)
    desk.raw.delete(desk.keys.lock("1"))
    assert await check(desk) == ()
    assert desk.raw.smembers(desk.keys.base + "stalled") == {"1", "2"}
    desk.events()
    desk.raw.delete(desk.keys.marker)
    assert await check(desk) == ("1",)
    assert (desk.list("wait"), desk.list("active")) == (["3", "1"], ["2"])
    assert desk.job("1")["stc"] == "1"
    assert desk.events() == ["waiting jobId=1 prev=active", "stalled jobId=1"]
    assert desk.scores("marker") == {"0": 0.0}
    assert "defa" not in desk.job("1")
    assert desk.raw.smembers(desk.keys.base + "stalled") == {"2"}


async def test_a_job_lost_too_often_gets_a_deferred_failure(desk: Desk) -> None:  # 67
    await desk.add()
    for expected in (None, "job stalled more than allowable limit"):
        await desk.claim_one()
        desk.raw.delete(desk.keys.lock("1"))
        await check(desk)
        assert await check(desk) == ("1",)
        assert desk.job("1").get("defa") == expected
    assert (await desk.claim_one()).job.deferred_failure == "job stalled more than allowable limit"


async def test_a_job_renewed_between_two_checks_stays(desk: Desk) -> None:  # 68
    await desk.add()
    claimed = await desk.claim_one()
    await check(desk)
    await desk.link.run(locks.extend(desk.keys, locks=[("1", claimed.token)], lock_ms=LOCK_MS))
    desk.raw.delete(desk.keys.lock("1"))
    assert await check(desk) == ()
    assert desk.list("active") == ["1"]


async def test_a_marked_job_with_a_lock_stays(desk: Desk) -> None:
    await desk.add()
    await desk.claim_one()
    await check(desk)
    assert await check(desk) == ()
    assert desk.list("active") == ["1"]


async def test_a_marked_job_that_is_not_active_any_more_stays_where_it_is(desk: Desk) -> None:
    await desk.add()
    desk.raw.sadd(desk.keys.base + "stalled", "1", "ghost")
    assert await check(desk) == ()
    assert desk.list("wait") == ["1"]
    assert desk.raw.exists(desk.keys.job("ghost")) == 0


async def test_there_is_one_check_an_interval_whoever_asks(desk: Desk) -> None:  # 69
    await desk.add()
    await desk.claim_one()
    desk.raw.delete(desk.keys.lock("1"))
    call = locks.stalled_check(desk.keys, now=NOW, interval_ms=30_000)
    await desk.link.run(call)
    assert await desk.link.run(call) == ()
    assert desk.list("active") == ["1"]
    assert desk.raw.get(desk.keys.base + "stalled-check") == str(NOW)
    assert 0 < desk.raw.pttl(desk.keys.base + "stalled-check") <= 30_000


@pytest.mark.parametrize("known_as", ["record", "member"])
async def test_iterations_of_a_scheduler_are_never_given_up(desk: Desk, known_as: str) -> None:  # 70
    await desk.add()
    desk.raw.hset(desk.keys.job("1"), "rjk", "nightly")
    if known_as == "record":
        desk.raw.hset(desk.keys.base + "repeat:nightly", "ic", 1)
    else:
        desk.raw.zadd(desk.keys.base + "repeat", {"nightly": NOW})
    for _ in range(3):
        await desk.claim_one()
        desk.raw.delete(desk.keys.lock("1"))
        await check(desk)
        assert await check(desk) == ("1",)
    assert desk.job("1")["stc"] == "3"
    assert "defa" not in desk.job("1")


async def test_a_lost_prioritized_job_goes_to_wait(desk: Desk) -> None:
    await desk.add(priority=3)
    await desk.claim_one()
    desk.raw.delete(desk.keys.lock("1"))
    await check(desk)
    await check(desk)
    assert desk.list("wait") == ["1"]


async def test_lost_jobs_of_a_paused_queue_wake_nobody(desk: Desk) -> None:
    await desk.add()
    await desk.claim_one()
    desk.raw.delete(desk.keys.lock("1"))
    await check(desk)
    desk.meta(paused=1)
    desk.raw.delete(desk.keys.marker)
    await check(desk)
    assert desk.list("paused") == ["1"]
    assert desk.scores("marker") == {}
