"""What keeps a queue in order, against a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bullpen.client.maintenance import Maintenance
from bullpen.errors import ConfigurationError, WrongState
from bullpen.protocol import JobState
from bullpen.protocol.calls import upkeep
from tests.integration.client.desk import NOW, Desk, completed, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

MANY = 2 * upkeep.CHUNK + 300


@pytest.fixture
def maintenance(desk: Desk) -> Maintenance:
    return Maintenance(link=desk.link, keys=desk.keys, clock=lambda: desk.now / 1000)


async def fill(desk: Desk, count: int, **options: Any) -> None:
    await asyncio.gather(*[desk.add(**options) for _ in range(count)])


async def test_a_pause_and_a_resume(maintenance: Maintenance, desk: Desk) -> None:  # 88
    await fill(desk, 3)
    await maintenance.pause()
    await desk.add()
    assert (await maintenance.settings()).paused
    assert await desk.claim(4) == []
    await maintenance.resume()
    assert not (await maintenance.settings()).paused
    assert [claimed.job.id for claimed in await desk.claim(4)] == ["1", "2", "3", "4"]
    assert [event for event in desk.events() if event in ("paused", "resumed")] == ["paused", "resumed"]


async def test_limits_are_set_read_and_taken_away(maintenance: Maintenance, desk: Desk) -> None:
    await fill(desk, 5)
    await maintenance.set_concurrency(2)
    await maintenance.set_rate_limit(3, 60_000)
    settings = await maintenance.settings()
    assert (settings.concurrency, settings.rate_max, settings.rate_duration_ms) == (2, 3, 60_000)
    assert len(await desk.claim(5)) == 2
    await maintenance.set_concurrency(None)
    assert len(await desk.claim(5)) == 1
    assert 0 < await maintenance.rate_limit_ttl() <= 60_000
    assert await maintenance.rate_limit_ttl(4) == 0
    await maintenance.stop_holding_back()
    assert await maintenance.rate_limit_ttl() == 0
    await maintenance.hold_back(30_000)
    assert 0 < await maintenance.rate_limit_ttl() <= 30_000
    assert await desk.claim(1) == []
    await maintenance.remove_rate_limit()
    assert len(await desk.claim(1)) == 1
    settings = await maintenance.settings()
    assert (settings.concurrency, settings.rate_max, settings.rate_duration_ms) == (None, None, None)


async def test_a_drain_of_many_jobs(maintenance: Maintenance, desk: Desk) -> None:  # 92
    await fill(desk, MANY)
    await fill(desk, 5, priority=3)
    await fill(desk, 2, delay=60_000)
    [held] = await desk.claim(1)
    assert await maintenance.drain() == MANY - 1 + 5
    counts = await desk.counts()
    assert (counts.waiting, counts.prioritized, counts.delayed, counts.active) == (0, 0, 2, 1)
    assert await maintenance.drain(delayed=True) == 2
    assert desk.job(held.job.id)
    assert await maintenance.drain(delayed=True) == 0


async def test_a_clean_passes_over_many_young_jobs(maintenance: Maintenance, desk: Desk) -> None:  # 92
    """Old ones stand before, between and behind young ones, further apart than one call looks."""
    old: dict[str, Any] = {"timestamp": NOW - 10_000}
    await fill(desk, 2, **old)
    await fill(desk, upkeep.CHUNK + 100)
    await fill(desk, 2, **old)
    await fill(desk, upkeep.CHUNK + 100)
    await fill(desk, 1, **old)
    await desk.add(priority=1, **old)
    oldest = ["1", "2", "1103", "1104", "2205"]
    assert await maintenance.clean(JobState.WAITING, grace_ms=5_000, limit=3) == oldest[:3]
    assert await maintenance.clean(JobState.WAITING, grace_ms=5_000) == oldest[3:]
    assert (await desk.counts()).waiting == 2 * (upkeep.CHUNK + 100)
    assert len(await maintenance.clean(JobState.WAITING, limit=1_500)) == 1_500
    assert len(await maintenance.clean(JobState.WAITING)) == 700
    assert await maintenance.clean(JobState.PRIORITIZED) == ["2206"]
    assert desk.raw.keys(f"{desk.keys.base}[0-9]*") == []


async def test_a_clean_of_waiting_jobs_takes_both_lists(maintenance: Maintenance, desk: Desk) -> None:
    await desk.add()
    await maintenance.pause()
    await desk.add()
    desk.raw.lpush(desk.keys.wait, "left-by-v6")
    assert sorted(await maintenance.clean(JobState.WAITING)) == ["1", "2", "left-by-v6"]


async def test_a_clean_of_the_other_states(maintenance: Maintenance, desk: Desk) -> None:
    await fill(desk, 4)
    await desk.add(delay=60_000)
    first, second, third = await desk.claim(3)
    await desk.finish(completed(first), failed(second))
    desk.raw.delete(desk.keys.lock(third.job.id))
    desk.now += 1_000
    states = (JobState.COMPLETED, JobState.FAILED, JobState.ACTIVE, JobState.DELAYED)
    assert [await maintenance.clean(state, grace_ms=1_001) for state in states] == [[], [], [], []]
    assert [await maintenance.clean(state, grace_ms=1_000) for state in states] == [["1"], ["2"], ["3"], ["5"]]


async def test_obliterate_leaves_nothing(maintenance: Maintenance, desk: Desk) -> None:  # 93
    await fill(desk, MANY)
    await fill(desk, 3, delay=5_000)
    one, two, three = await desk.claim(3)
    await desk.finish(completed(one), failed(two), metrics=10)
    with pytest.raises(WrongState, match="the queue has active jobs"):
        await maintenance.obliterate()
    assert desk.job(three.job.id)
    await maintenance.obliterate(force=True)
    assert desk.raw.keys() == []


async def test_obliterate_stops_when_somebody_resumes(desk: Desk) -> None:
    await desk.add()
    with pytest.raises(WrongState, match="the queue is not paused"):
        await desk.link.run(upkeep.obliterate(desk.keys))
    assert desk.job("1")


async def test_many_jobs_are_retried(maintenance: Maintenance, desk: Desk) -> None:  # 90
    await fill(desk, MANY)
    claims = await desk.claim(MANY)
    await desk.finish(*[failed(claimed) for claimed in claims[:-2]])
    desk.now += 10
    await desk.finish(failed(claims[-2]), completed(claims[-1]))
    assert await maintenance.retry_jobs(before_ms=NOW) == MANY - 2
    assert await maintenance.retry_jobs() == 1
    assert await maintenance.retry_jobs(JobState.COMPLETED) == 1
    assert await maintenance.retry_jobs() == 0
    assert (await desk.counts()).waiting == MANY
    assert (await desk.claim_one()).job.id == "1"


async def test_delayed_jobs_are_promoted(maintenance: Maintenance, desk: Desk) -> None:
    await fill(desk, MANY, delay=60_000)
    assert await maintenance.promote_jobs() == MANY
    counts = await desk.counts()
    assert (counts.waiting, counts.delayed) == (MANY, 0)


async def test_ids_and_records_by_pages(maintenance: Maintenance, desk: Desk) -> None:
    await fill(desk, 250)
    await maintenance.pause()
    desk.raw.lpush(desk.keys.wait, "gone")  # left by a client of v6, and then deleted
    assert await maintenance.job_ids(JobState.WAITING, start=0, end=1) == ("1", "2")
    assert await maintenance.job_ids(JobState.WAITING, start=249) == ("250", "gone")
    assert await maintenance.job_ids(JobState.WAITING, end=1, oldest_first=False) == ("gone", "250")
    assert await maintenance.job_ids(JobState.WAITING, start=251) == ()
    assert [record.id for record in await maintenance.jobs(JobState.WAITING, start=248, end=-1)] == ["249", "250"]
    assert len(await maintenance.jobs(JobState.WAITING, end=-1)) == 250
    assert await maintenance.jobs(JobState.FAILED) == []


async def test_ready_jobs_by_priority(maintenance: Maintenance, desk: Desk) -> None:
    for priority in (0, 1, 1, 2_097_151):
        await desk.add(priority=priority)
    await maintenance.pause()
    await desk.add()
    counts = await maintenance.counts_per_priority([0, 1, 2, 2_097_151, 1])
    assert counts == {0: 2, 1: 2, 2: 0, 2_097_151: 1}
    assert await maintenance.counts_per_priority([]) == {}


async def test_a_job_that_is_no_hash_stops_no_others_retry(maintenance: Maintenance, desk: Desk) -> None:
    await fill(desk, 3)
    claims = await desk.claim(2)
    await desk.finish(*map(failed, claims))
    for job_id in ("1", "3"):
        desk.raw.delete(desk.keys.job(job_id))
        desk.raw.lpush(desk.keys.job(job_id), "no job")
    assert await maintenance.retry_jobs() == 2
    reply = await desk.work(claim=3)  # whoever is to run it says what it is
    assert [each.job.id for each in reply.claimed] == ["2"]
    assert [trouble.split(",")[0] for trouble in reply.troubles] == [
        f"WRONGTYPE bull:videos:{job_id} is a list" for job_id in ("3", "1")
    ]


REFUSED: list[Callable[[Maintenance], Coroutine[Any, Any, object]]] = [
    lambda m: m.set_concurrency(0),
    lambda m: m.set_rate_limit(0, 1_000),
    lambda m: m.set_rate_limit(1, 0),
    lambda m: m.hold_back(-1),
    lambda m: m.rate_limit_ttl(-1),
    lambda m: m.clean(JobState.WAITING_CHILDREN),
    lambda m: m.clean(JobState.UNKNOWN),
    lambda m: m.clean(JobState.FAILED, grace_ms=-1),
    lambda m: m.clean(JobState.FAILED, limit=-1),
    lambda m: m.retry_jobs(JobState.DELAYED),
    lambda m: m.retry_jobs(before_ms=-1),
    lambda m: m.counts_per_priority([2_097_152]),
    lambda m: m.job_ids(JobState.UNKNOWN),
    lambda m: m.job_ids(JobState.FAILED, start=-1),
    lambda m: m.job_ids(JobState.FAILED, end=-2),
]


@pytest.mark.parametrize("operation", REFUSED)
async def test_what_cannot_work_is_refused_before_anything_is_written(
    operation: Callable[[Maintenance], Coroutine[Any, Any, object]], maintenance: Maintenance, desk: Desk
) -> None:
    await desk.add()
    before = desk.fingerprint()
    with pytest.raises(ConfigurationError):
        await operation(maintenance)
    assert desk.fingerprint() == before
