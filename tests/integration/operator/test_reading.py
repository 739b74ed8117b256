"""Every number of a reading against the operations that led to it, on a real Redis."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from bullpen.client.connection import Link
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.add import add
from bullpen.protocol.calls.fail import delay, retry
from bullpen.protocol.calls.work import Finish, work
from bullpen.protocol.options import Backoff, JobOptions
from bullpen.protocol.replies import Outcome
from bullpen_operator.queues.endpoint import Endpoint
from bullpen_operator.queues.location import Location
from bullpen_operator.queues.question import Question
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis

T0 = 1_700_000_000_000  # ms
KEYS = QueueKeys("bull", "video")
QUESTION = Question("bull", "video")


@dataclass
class Queue:
    """The queue under test: operations at a time of the test's choosing, and what the operator reads."""

    link: Link
    endpoint: Endpoint
    raw: redis.Redis
    round_trips: list[bool] = field(default_factory=list)

    async def add(self, count: int = 1, *, at: int = T0, **options: object) -> None:
        for _ in range(count):
            await self.link.run(add(KEYS, name="job", data="{}", now=at, options=JobOptions(**options)))  # type: ignore[arg-type]

    async def start(self, *, at: int) -> str:
        """Claim one job; its token is its id's."""
        reply = await self.link.run(work(KEYS, now=at, tokens=["token"]))
        return reply.claimed[0].job.id

    async def read(self, *, at: int = T0) -> QueueReading:
        answers = await self.endpoint.read([QUESTION], now=at / 1000)
        answer = answers[QUESTION]
        assert isinstance(answer, QueueReading), answer
        return answer


@pytest.fixture
async def queue(link: Link, redis_url: str, raw: redis.Redis) -> AsyncIterator[Queue]:
    trips: list[bool] = []
    endpoint = Endpoint(Location.parse(redis_url), on_round_trip=lambda _, ok: trips.append(ok))
    yield Queue(link, endpoint, raw, trips)
    await endpoint.close()


async def test_a_queue_that_was_never_used_does_not_exist(queue: Queue) -> None:
    read = await queue.read()
    assert replace(read, workers=None) == QueueReading(
        at=T0 / 1000,
        exists=False,
        paused=False,
        waiting=0,
        due=0,
        active=0,
        delayed=0,
        failed=0,
        completed=0,
        oldest_wait_seconds=None,
        next_due_at=None,
        global_concurrency=None,
        newest_event="0-0",
    )


async def test_added_jobs_wait_and_the_oldest_says_how_long(queue: Queue) -> None:
    await queue.add(at=T0)
    await queue.add(2, at=T0 + 9000)
    seen = await queue.read(at=T0 + 12_500)
    assert (seen.exists, seen.waiting, seen.oldest_wait_seconds) == (True, 3, 12.5)


async def test_a_lifo_job_at_the_other_end_does_not_hide_the_oldest(queue: Queue) -> None:
    await queue.add(at=T0)
    await queue.add(3, at=T0 + 5000, lifo=True)
    assert (await queue.read(at=T0 + 6000)).oldest_wait_seconds == 6


async def test_the_oldest_of_any_priority_counts_not_only_the_most_urgent(queue: Queue) -> None:
    await queue.add(at=T0, priority=5)
    await queue.add(2, at=T0 + 1000, priority=1)
    await queue.add(at=T0 + 2000)
    seen = await queue.read(at=T0 + 3000)
    assert (seen.waiting, seen.oldest_wait_seconds) == (4, 3)


async def test_delayed_jobs_are_told_apart_by_whether_they_are_due(queue: Queue) -> None:
    await queue.add(at=T0, delay=1000)
    await queue.add(at=T0, delay=2000)
    await queue.add(at=T0, delay=60_000)
    seen = await queue.read(at=T0 + 2000)
    assert (seen.delayed, seen.due, seen.waiting) == (3, 2, 0)
    assert seen.next_due_at == (T0 + 60_000) / 1000
    assert seen.oldest_wait_seconds == 1, "the first due job has been ready for a second"


async def test_a_job_due_in_a_millisecond_is_not_due(queue: Queue) -> None:
    await queue.add(at=T0, delay=1000)
    assert (await queue.read(at=T0 + 999)).due == 0
    assert (await queue.read(at=T0 + 1000)).due == 1


async def test_running_and_finished_jobs_are_counted(queue: Queue) -> None:
    await queue.add(5)
    first, second = await queue.start(at=T0 + 10), await queue.start(at=T0 + 20)
    await queue.start(at=T0 + 30)
    done = Finish(job_id=first, token="token", outcome=Outcome.COMPLETED, value='"fine"')
    failed = Finish(job_id=second, token="token", outcome=Outcome.FAILED, value="broken")
    await queue.link.run(work(KEYS, now=T0 + 40, finishes=[done, failed]))
    seen = await queue.read(at=T0 + 50)
    assert (seen.waiting, seen.active, seen.completed, seen.failed) == (2, 1, 1, 1)


async def test_a_retry_waits_since_its_last_start_not_since_its_creation(queue: Queue) -> None:
    await queue.add(at=T0)
    job = await queue.start(at=T0 + 100_000)
    await queue.link.run(retry(KEYS, job_id=job, token="token", now=T0 + 101_000))
    assert (await queue.read(at=T0 + 105_000)).oldest_wait_seconds == 5


@pytest.mark.parametrize(
    ("kind", "attempts", "backoff_seconds"), [("fixed", 1, 8), ("exponential", 1, 8), ("exponential", 3, 32)]
)
async def test_the_backoff_of_a_promoted_retry_is_no_waiting(
    queue: Queue, kind: str, attempts: int, backoff_seconds: int
) -> None:
    await queue.add(at=T0, attempts=9, backoff=Backoff(type=kind, delay=8000))
    at = T0
    for _ in range(attempts):
        job = await queue.start(at=at)
        await queue.link.run(retry(KEYS, job_id=job, token="token", now=at))
    started_at = at
    seen = await queue.read(at=started_at + backoff_seconds * 1000 + 3000)
    assert seen.oldest_wait_seconds == 3


async def test_a_retry_that_is_delayed_is_due_when_its_backoff_is_over(queue: Queue) -> None:
    await queue.add(at=T0)
    job = await queue.start(at=T0)
    await queue.link.run(delay(KEYS, job_id=job, token="token", now=T0, delay_ms=4000))
    assert ((await queue.read(at=T0 + 3000)).due, (await queue.read(at=T0 + 5000)).due) == (0, 1)


async def test_a_pause_by_either_client_generation_is_seen_and_its_jobs_wait(queue: Queue) -> None:
    await queue.add(2)
    queue.raw.hset(KEYS.meta, "paused", "1")  # v6 leaves the jobs in wait
    assert ((await queue.read()).paused, (await queue.read()).waiting) == (True, 2)
    queue.raw.rename(KEYS.wait, KEYS.paused)  # v5 moves them
    seen = await queue.read(at=T0 + 4000)
    assert (seen.paused, seen.waiting, seen.oldest_wait_seconds) == (True, 2, 4)


async def test_the_global_concurrency_is_read(queue: Queue) -> None:
    queue.raw.hset(KEYS.meta, "concurrency", "7")
    assert (await queue.read()).global_concurrency == 7


async def test_odd_contents_do_not_stop_the_counting(queue: Queue) -> None:
    await queue.add(at=T0)
    queue.raw.lpush(KEYS.wait, "0:1", "vanished")  # an old in-list marker, and an id without a hash
    queue.raw.hset(KEYS.job("strange"), mapping={"timestamp": "yesterday", "opts": "no json"})
    queue.raw.rpush(KEYS.wait, "strange")
    queue.raw.hset(KEYS.meta, "concurrency", "many")
    seen = await queue.read(at=T0 + 2000)
    assert (seen.waiting, seen.oldest_wait_seconds, seen.global_concurrency) == (4, 2, None)


async def test_a_producer_whose_clock_is_ahead_makes_no_negative_wait(queue: Queue) -> None:
    await queue.add(at=T0 + 60_000)
    assert (await queue.read(at=T0)).oldest_wait_seconds == 0


async def test_reading_changes_nothing(queue: Queue) -> None:
    await queue.add(2)
    await queue.add(delay=1000)
    writes = queue.raw.info("persistence")["rdb_changes_since_last_save"]
    await queue.read(at=T0 + 5000)
    assert queue.raw.info("persistence")["rdb_changes_since_last_save"] == writes


async def test_two_hundred_queues_take_one_round_trip_on_one_connection(queue: Queue) -> None:
    for number in range(200):
        await queue.link.run(add(QueueKeys("bull", f"q{number}"), name="job", data="{}", now=T0 - number * 1000))
    questions = [Question("bull", f"q{number}") for number in range(200)]
    await queue.endpoint.read(questions, now=T0 / 1000)
    queue.round_trips.clear()
    accepted = queue.raw.info("stats")["total_connections_received"]
    answers = await queue.endpoint.read(questions, now=T0 / 1000)
    assert [answers[question].oldest_wait_seconds for question in questions] == list(range(200))  # type: ignore[union-attr]
    assert queue.round_trips == [True]
    assert queue.raw.info("stats")["total_connections_received"] == accepted


async def test_a_script_flush_is_survived_within_the_same_read(queue: Queue) -> None:
    await queue.add(3)
    await queue.read()
    queue.raw.script_flush()
    assert (await queue.read()).waiting == 3


async def test_the_back_of_the_queue_says_how_long_the_newest_has_waited(queue: Queue) -> None:
    await queue.add(at=T0)
    await queue.add(5, at=T0 + 4000)
    await queue.add(at=T0 + 9000)
    seen = await queue.read(at=T0 + 10_000)
    assert (seen.oldest_wait_seconds, seen.newest_wait_seconds) == (10, 1)


async def test_among_due_jobs_the_last_is_the_newest(queue: Queue) -> None:
    for seconds in (1, 2, 3, 60):
        await queue.add(at=T0, delay=seconds * 1000)
    seen = await queue.read(at=T0 + 5000)
    assert (seen.oldest_wait_seconds, seen.newest_wait_seconds) == (4, 2)


async def test_with_priorities_the_newest_is_unknown(queue: Queue) -> None:
    await queue.add(at=T0)
    await queue.add(3, at=T0 + 1000, priority=1)
    seen = await queue.read(at=T0 + 2000)
    assert (seen.oldest_wait_seconds, seen.newest_wait_seconds) == (2, None)


async def test_delayed_jobs_are_counted_by_how_soon_they_are_due(queue: Queue) -> None:
    for seconds in (1, 7, 15, 15, 300, 5000):
        await queue.add(at=T0, delay=seconds * 1000)
    seen = await queue.read(at=T0 + 2000)
    assert (seen.due, seen.due_within) == (1, (1, 1, 3, 3, 3, 3, 4))


async def test_ids_and_finished_jobs_are_counted_on_after_the_jobs_are_gone(queue: Queue) -> None:
    await queue.add(4)
    assert (await queue.read()).finished is None
    job = await queue.start(at=T0 + 10)
    await queue.link.run(
        work(
            KEYS,
            now=T0 + 20,
            finishes=[Finish(job_id=job, token="token", outcome=Outcome.COMPLETED, value="1")],
        )
    )
    queue.raw.delete(KEYS.base + "completed", KEYS.base + job)
    queue.raw.hset(KEYS.base + "metrics:completed", mapping={"count": 1, "prevTS": T0, "prevCount": 0})
    queue.raw.hset(KEYS.base + "metrics:failed", mapping={"count": 3})
    seen = await queue.read(at=T0 + 30)
    assert (seen.added, seen.finished, seen.completed) == (4, 4, 0)


async def test_the_queues_own_rate_is_told_and_when_it_is_used_up(queue: Queue) -> None:
    queue.raw.hset(KEYS.base + "meta", mapping={"max": 2, "duration": 60_000})
    await queue.add(3)
    assert (await queue.read()).rate_limit == (2, 60.0)
    await queue.start(at=T0 + 10)
    assert (await queue.read()).limited_seconds == 0
    await queue.start(at=T0 + 20)
    assert 0 < (await queue.read()).limited_seconds <= 60


async def test_parents_that_wait_for_children_need_no_slot(queue: Queue) -> None:
    queue.raw.zadd(KEYS.base + "waiting-children", {"parent": T0})
    seen = await queue.read()
    assert (seen.waiting, seen.waiting_children) == (0, 1)


@pytest.mark.parametrize("value", ["", "abc", "1.5", "nan", "inf", "-inf", "1e400", "99999999999999999999"])
async def test_counters_that_are_no_numbers_count_as_missing(queue: Queue, value: str) -> None:
    await queue.add()
    queue.raw.set(KEYS.base + "id", value)
    queue.raw.hset(KEYS.base + "metrics:completed", "count", value)
    queue.raw.hset(KEYS.base + "meta", mapping={"max": value, "duration": value})
    seen = await queue.read()
    assert (seen.waiting, seen.added, seen.finished, seen.rate_limit) == (1, None, None, None)
