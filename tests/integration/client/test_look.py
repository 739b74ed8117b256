"""Progress, logs, state, counts, events and heartbeats (protocol §7.1, §7.5, §10; ours)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bullpen.errors import JobMissing
from bullpen.protocol import Call, JobState, events
from bullpen.protocol.calls import job, read
from bullpen.protocol.heartbeat import Heartbeat, beat, forget, read_beats
from bullpen.protocol.replies import Claimed, Counts, Finished, Logs, Outcome
from tests.integration.client.desk import NOW, Desk, completed, failed


async def test_progress_is_stored_and_announced(desk: Desk) -> None:  # 91
    await desk.add()
    desk.events()
    await desk.link.run(job.progress(desk.keys, job_id="1", value='{"percent":50}'))
    assert desk.job("1")["progress"] == '{"percent":50}'
    assert desk.events() == ['progress jobId=1 data={"percent":50}']


async def test_what_a_missing_job_says_is_not_written(desk: Desk) -> None:
    calls: list[Call[Any]] = [
        job.progress(desk.keys, job_id="9", value="1"),
        job.log(desk.keys, job_id="9", row="x"),
        job.update_data(desk.keys, job_id="9", data="{}"),
        read.finished(desk.keys, job_id="9"),
    ]
    for call in calls:
        with pytest.raises(JobMissing, match="job 9 does not exist"):
            await desk.link.run(call)
    assert desk.raw.keys() == []


async def test_logs_keep_the_newest_rows(desk: Desk) -> None:
    await desk.add()
    counted = [await desk.link.run(job.log(desk.keys, job_id="1", row=f"row {n}", keep=2)) for n in range(4)]
    assert counted == [1, 2, 2, 2]
    assert await desk.link.run(read.logs(desk.keys, job_id="1")) == Logs(rows=("row 2", "row 3"), count=2)
    assert await desk.link.run(job.log(desk.keys, job_id="1", row="row 4")) == 3
    assert (await desk.link.run(read.logs(desk.keys, job_id="1", start=-1))).rows == ("row 4",)


async def test_data_is_replaced(desk: Desk) -> None:
    await desk.add()
    await desk.link.run(job.update_data(desk.keys, job_id="1", data='{"a":1}'))
    assert desk.job("1")["data"] == '{"a":1}'


async def test_every_state_is_told_and_counted(desk: Desk) -> None:  # 94
    async def state(job_id: str) -> JobState:
        return await desk.link.run(read.state(desk.keys, job_id=job_id))

    await desk.finish(completed(await claimed_new(desk)), failed(await claimed_new(desk)))
    await claimed_new(desk)
    await desk.add()
    await desk.add(priority=1)
    await desk.add(delay=1000)
    desk.raw.zadd(desk.keys.waiting_children, {"parent": NOW})
    desk.meta(paused=1)
    await desk.add()
    states = [await state(job_id) for job_id in ("1", "2", "3", "4", "5", "6", "7", "parent", "ghost")]
    assert states == [
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.ACTIVE,
        JobState.WAITING,
        JobState.PRIORITIZED,
        JobState.DELAYED,
        JobState.WAITING,
        JobState.WAITING_CHILDREN,
        JobState.UNKNOWN,
    ]
    assert await desk.counts() == Counts(
        waiting=1, paused=1, active=1, prioritized=1, delayed=1, waiting_children=1, completed=1, failed=1
    )


async def claimed_new(desk: Desk) -> Claimed:
    await desk.add()
    return await desk.claim_one()


async def test_whether_a_job_has_ended_and_with_what(desk: Desk) -> None:
    async def finished(job_id: str) -> Finished:
        return await desk.link.run(read.finished(desk.keys, job_id=job_id))

    first, second = await claimed_new(desk), await claimed_new(desk)
    assert await finished("1") == Finished(outcome=None, value="")
    await desk.finish(completed(first, "[1]"), failed(second, "boom"))
    assert await finished("1") == Finished(outcome=Outcome.COMPLETED, value="[1]")
    assert await finished("2") == Finished(outcome=Outcome.FAILED, value="boom")


async def test_a_record_is_the_whole_hash(desk: Desk) -> None:
    await desk.add(data='{"a":1}', attempts=3)
    record = await desk.link.run(read.job(desk.keys, job_id="1"))
    assert record is not None
    assert (record.id, record.name, record.data, record.options.attempts) == ("1", "render", {"a": 1}, 3)
    assert await desk.link.run(read.job(desk.keys, job_id="ghost")) is None


async def test_events_are_read_on_from_where_one_was(desk: Desk) -> None:
    assert await desk.link.run(events.last(desk.keys)) == events.START
    await desk.add()
    position = await desk.link.run(events.last(desk.keys))
    await desk.add()
    assert [event.kind for event in await desk.link.run(events.read(desk.keys, after=events.START))] == [
        "added",
        "waiting",
        "added",
        "waiting",
    ]
    later = await desk.link.run(events.read(desk.keys, after=position))
    assert [(event.kind, event.job_id) for event in later] == [("added", "2"), ("waiting", "2")]
    assert await desk.link.run(events.read(desk.keys, after=later[-1].id)) == ()


BEAT = Heartbeat(instance="uid-1", boot="b", slots=4, busy=1, done=0, failed=0)


async def test_a_heartbeat_is_stamped_by_the_server(desk: Desk) -> None:
    before = float(desk.raw.time()[0])
    beaten = await desk.link.run(beat(desk.keys, heartbeat=BEAT))
    beats = await desk.link.run(read_beats(desk.keys))
    assert set(beats.alive) == {"uid-1"}
    assert beats.alive["uid-1"].at == beaten.at
    assert before <= beaten.at <= desk.raw.time()[0] + 1
    assert 3500 < desk.raw.ttl(desk.keys.workers) <= 3600


async def test_a_sweep_removes_stale_and_unreadable_beats_only(desk: Desk) -> None:
    old = int((time.time() - 61) * 1000)
    desk.raw.hset(desk.keys.workers, mapping={"old": f'{{"at":{old},"slots":1}}', "odd": "?"})
    await desk.link.run(beat(desk.keys, heartbeat=BEAT))
    assert set(desk.raw.hkeys(desk.keys.workers)) == {"old", "odd", "uid-1"}
    await desk.link.run(beat(desk.keys, heartbeat=BEAT, sweep=True))
    assert set(desk.raw.hkeys(desk.keys.workers)) == {"uid-1"}


async def test_a_beat_tells_the_drain_mark_of_its_own_instance_while_it_holds(desk: Desk) -> None:
    async def marked_seconds() -> float:
        return (await desk.link.run(beat(desk.keys, heartbeat=BEAT))).marked_seconds

    end = (desk.raw.time()[0] + 15) * 1000
    assert await marked_seconds() == 0
    desk.raw.hset(desk.keys.drain, "somebody else", end)
    assert await marked_seconds() == 0
    desk.raw.hset(desk.keys.drain, "uid-1", end)
    assert 13 < await marked_seconds() <= 15
    desk.raw.hset(desk.keys.drain, "uid-1", end - 16_000)  # the lease is over: go on
    assert await marked_seconds() == 0


async def test_a_worker_that_leaves_takes_its_beat_along(desk: Desk) -> None:
    await desk.link.run(beat(desk.keys, heartbeat=BEAT))
    assert await desk.link.run(forget(desk.keys, instance="uid-1")) == 1
    assert await desk.link.run(forget(desk.keys, instance="uid-1")) == 0
    assert (await desk.link.run(read_beats(desk.keys))).alive == {}
