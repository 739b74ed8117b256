"""What a reading says of the workers of a queue, and the marks that are written after it, on a real Redis."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import redis

from bullpen.client.connection import Link
from bullpen.protocol import QueueKeys, drain_marks
from bullpen.protocol.calls.add import add
from bullpen.protocol.calls.work import work
from bullpen.protocol.heartbeat import Heartbeat, beat
from bullpen.protocol.options import JobOptions
from bullpen_operator.queues.endpoint import Endpoint
from bullpen_operator.queues.location import Location
from bullpen_operator.queues.question import Question
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bullpen.protocol.call import Call
    from bullpen_operator.scaling.workers import Workers
    from tests.integration.redis_server import RedisServer

KEYS = QueueKeys("bull", "video")
VIDEO = Question("bull", "video")
IDLE = Heartbeat(instance="uid-1", boot="b", slots=5, busy=0, done=7, failed=0)


@dataclass
class Queue:
    link: Link
    endpoint: Endpoint
    raw: redis.Redis
    trips: list[bool] = field(default_factory=list)

    async def claim(self, token: str, *, worker: str = "") -> None:
        now = int(time.time() * 1000)
        await self.link.run(add(KEYS, name="job", data="{}", now=now, options=JobOptions()))
        reply = await self.link.run(work(KEYS, now=now, tokens=[token], worker=worker))
        assert len(reply.claimed) == 1

    async def workers(self, *, nameless: bool = False) -> Workers:
        question = Question("bull", "video", nameless=nameless)
        answer = (await self.endpoint.read([question], now=time.time()))[question]
        assert isinstance(answer, QueueReading), answer
        assert answer.workers is not None
        return answer.workers


@pytest.fixture
async def queue(link: Link, redis_url: str, raw: redis.Redis) -> AsyncIterator[Queue]:
    trips: list[bool] = []
    endpoint = Endpoint(Location.parse(redis_url), on_round_trip=lambda _, ok: trips.append(ok))
    yield Queue(link, endpoint, raw, trips)
    await endpoint.close()


async def test_heartbeats_and_marks_come_with_the_reading(queue: Queue) -> None:
    await queue.link.run(beat(KEYS, heartbeat=IDLE))
    await queue.link.run(drain_marks.mark(KEYS, instances=["uid-1"]))
    seen = await queue.workers()
    assert seen.beats["uid-1"].done == 7
    stamped = seen.beats["uid-1"].at
    assert stamped is not None
    assert 0 <= seen.at - stamped < 10
    assert 5 < seen.marks["uid-1"] <= 15
    assert queue.trips == [True]


async def test_who_runs_the_active_jobs_is_looked_at_only_when_somebody_is_to_drain(queue: Queue) -> None:
    await queue.claim("uid-1:boot:1")
    assert (await queue.workers()).running is None
    await queue.link.run(drain_marks.mark(KEYS, instances=["uid-2"]))
    await queue.claim("uid-1:boot:2")
    await queue.claim("uid-2:boot:1")
    seen = await queue.workers()
    assert (seen.running, seen.unknown) == ({"uid-1": 2, "uid-2": 1}, 0)


async def test_other_workers_are_known_by_the_name_they_gave_if_any(queue: Queue) -> None:
    await queue.claim("5f0c-44:1", worker="pod-a")
    await queue.claim("5f0c-44:2", worker="pod-a")
    await queue.claim("5f0c-45:1")
    seen = await queue.workers(nameless=True)
    assert (seen.running, seen.unknown) == ({"pod-a": 2}, 1)


async def test_a_job_whose_lock_has_run_out_still_counts_for_the_worker_that_has_it(queue: Queue) -> None:
    await queue.claim("uid-1:boot:1", worker="pod-a")
    queue.raw.delete(KEYS.lock("1"))
    assert (await queue.workers(nameless=True)).running == {"pod-a": 1}


async def test_a_mark_that_has_ended_is_none(queue: Queue) -> None:
    queue.raw.hset(KEYS.drain, mapping={"uid-1": "1", "uid-2": "soon"})
    assert (await queue.workers()).marks == {}


async def test_a_heartbeat_that_cannot_be_read_is_no_heartbeat(queue: Queue) -> None:
    queue.raw.hset(KEYS.workers, mapping={"uid-1": "{", "uid-2": "[]"})
    assert (await queue.workers()).beats == {}


async def test_marks_are_written_and_taken_back_in_one_round_trip_each(queue: Queue) -> None:
    await queue.workers()
    await queue.endpoint.write({VIDEO: [drain_marks.mark(KEYS, instances=["uid-1", "uid-2"])]})
    assert set((await queue.workers()).marks) == {"uid-1", "uid-2"}
    calls: list[Call[Any]] = [drain_marks.mark(KEYS, instances=["uid-1"])]
    calls.append(drain_marks.clear(KEYS, instances=["uid-2"]))
    await queue.endpoint.write({VIDEO: calls})
    assert set((await queue.workers()).marks) == {"uid-1"}
    assert queue.trips == [True] * 5


async def test_nothing_to_mark_is_no_round_trip(queue: Queue) -> None:
    await queue.workers()
    await queue.endpoint.write({})
    assert queue.trips == [True]


async def test_a_queue_whose_marks_are_refused_does_not_hold_up_those_of_others(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    other = QueueKeys("bull", "audio")
    queue.raw.set(KEYS.drain, "no hash")
    await queue.endpoint.read([VIDEO], now=time.time())
    with caplog.at_level(logging.WARNING):
        asked = {Question("bull", keys.queue): [drain_marks.mark(keys, instances=["uid-1"])] for keys in (KEYS, other)}
        for _ in range(3):
            await queue.endpoint.write(asked)
    assert queue.raw.hexists(other.drain, "uid-1")
    assert caplog.text.count("refuses a drain mark: WRONGTYPE") == 1


async def test_a_redis_that_went_away_between_reading_and_marking_is_only_told(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    trips: list[bool] = []
    endpoint = Endpoint(Location.parse(own_redis.url), on_round_trip=lambda _, ok: trips.append(ok))
    await endpoint.read([VIDEO], now=time.time())
    own_redis.stop()
    await endpoint.write({VIDEO: [drain_marks.mark(KEYS, instances=["uid-1"])]})
    assert trips == [True, False]
    assert "drain marks not written: no connection to Redis" in caplog.text
