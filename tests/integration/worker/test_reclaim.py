"""Jobs of dead workers: taken back by a living one in seconds, and never from one that is only silent."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from bullpen import App, Context
from bullpen.client.connection import Link
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.reclaim import reclaim, reclaim_others
from bullpen.protocol.calls.work import work
from bullpen.protocol.heartbeat import Heartbeat, beat
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.replies import JobRecord
from tests.integration.redis_server import RedisServer
from tests.integration.worker.house import ended, serving, until, working

VIDEOS = QueueKeys("bull", "video-generation")
KEYS = QueueKeys("bull", "videos")
# The test server is younger than 30 s, and for one lock duration nobody would be judged.
YOUNG = 1.0
BEAT = Heartbeat(instance="i", boot="b", slots=1, busy=1, done=0, failed=0)


class Grave:
    """A queue some of whose jobs are held under tokens of workers that may be dead."""

    def __init__(self, app: App, link: Link, raw: Any) -> None:
        self.queue, self.link, self.raw = app.queue("videos"), link, raw

    async def held(self, *tokens: str) -> list[str]:
        """One active job for each token; their ids."""
        for _ in tokens:
            await self.queue.add("x")
        reply = await self.link.run(work(KEYS, now=int(time.time() * 1000), tokens=tokens))
        self.raw.delete(KEYS.events)
        return [each.job.id for each in reply.claimed]

    async def reclaim(self, *, boot: str = "b", begin: int = 0) -> tuple[tuple[str, ...], int | None]:
        found = await self.link.run(reclaim(KEYS, instance="i", boot=boot, begin=begin))
        return found.job_ids, found.next_at

    def record(self, job_id: str) -> dict[str, str]:
        fields: dict[str, str] = self.raw.hgetall(KEYS.job(job_id))
        return fields


@pytest.fixture
def grave(app: App, link: Link, raw: redis.Redis) -> Grave:
    return Grave(app, link, raw)


async def test_what_the_dead_held_is_back_in_front_as_the_stalled_check_would_put_it(grave: Grave) -> None:
    mine, others, second = await grave.held("i:b:1", "i:b2:1", "i:b:2")
    grave.raw.sadd(KEYS.base + "stalled", mine, second)
    waiting = (await grave.queue.add("x")).id
    grave.raw.delete(KEYS.events)
    taken, next_at = await grave.reclaim()
    assert (set(taken), next_at) == ({mine, second}, None)
    assert grave.raw.lrange(KEYS.wait, 0, -1) == [waiting, second, mine]
    assert grave.raw.lrange(KEYS.active, 0, -1) == [others]
    assert not grave.raw.exists(KEYS.lock(mine), KEYS.lock(second), KEYS.base + "stalled")
    assert grave.raw.exists(KEYS.lock(others))
    assert {name: grave.record(mine).get(name) for name in ("stc", "defa", "bp:cause", "atm")} == {
        "stc": "1",
        "defa": None,
        "bp:cause": "lost",
        "atm": None,
    }
    events = [(fields["event"], fields["jobId"]) for _, fields in grave.raw.xrange(KEYS.events)]
    assert events == [("waiting", second), ("stalled", second), ("waiting", mine), ("stalled", mine)]


async def test_past_the_limit_a_job_is_given_up(grave: Grave) -> None:
    (job,) = await grave.held("i:b:1")
    grave.raw.hset(KEYS.job(job), "stc", 1)
    await grave.reclaim()
    assert grave.record(job)["stc"] == "2"
    assert grave.record(job)["defa"] == "job stalled more than allowable limit"


@pytest.mark.parametrize("token", ["i:b", "i:bb:1", "j:i:b:1", "i:b:1:1", "I:b:1", "i:b:x"])
async def test_a_token_that_only_looks_alike_is_somebody_elses(grave: Grave, token: str) -> None:
    await grave.held(token)
    assert await grave.reclaim() == ((), None)


async def test_a_restarted_container_takes_what_its_former_lives_held(grave: Grave) -> None:
    old, new, sibling, other = await grave.held("i:b:1", "i:now:1", "i:alive:3", "k:b:1")
    found = await grave.link.run(reclaim_others(KEYS, instance="i", spare=["now", "alive"]))
    assert found.job_ids == (old,)
    assert set(grave.raw.lrange(KEYS.active, 0, -1)) == {new, sibling, other}


async def test_the_last_beat_goes_with_it_but_not_that_of_a_restart(grave: Grave) -> None:
    await grave.link.run(beat(KEYS, heartbeat=BEAT))
    await grave.reclaim(boot="former")
    assert grave.raw.hkeys(KEYS.workers) == ["i"]
    await grave.reclaim()
    assert grave.raw.hkeys(KEYS.workers) == []


async def test_one_call_is_bounded_however_much_was_held(grave: Grave) -> None:
    ids = await grave.held(*(f"{'i' if n % 2 else 'k'}:b:{n}" for n in range(500)))
    taken: list[str] = []
    begin: int | None = 0
    calls = 0
    while begin is not None:
        found, begin = await grave.reclaim(begin=begin)
        assert len(found) <= 100
        taken += found
        calls += 1
    assert (len(taken), calls) == (250, 3)
    assert set(taken) == set(ids[1::2])
    assert grave.raw.llen(KEYS.active) == 250
    # The oldest of each call is in front; the older half of them was taken last.
    assert grave.raw.lindex(KEYS.wait, -1) == min(taken, key=int)


async def test_a_record_that_is_none_and_a_queue_that_is_paused(grave: Grave) -> None:
    first, second = await grave.held("i:b:1", "i:b:2")
    await grave.queue.pause()
    grave.raw.delete(KEYS.job(first))
    grave.raw.set(KEYS.job(first), "no job")
    taken, _ = await grave.reclaim()
    assert set(taken) == {first, second}
    assert set(grave.raw.lrange(KEYS.paused, 0, -1)) == {first, second}
    assert not grave.raw.exists(KEYS.marker)


# --- who does it ---------------------------------------------------------------------------------------------------


@pytest.fixture
def mourner(app: App) -> App:
    """A worker of the same queue that lives on; its slots take what comes back."""
    videos = app.queue("video-generation")

    @videos.job()
    async def survive(data: object, ctx: Context) -> str:
        await asyncio.sleep(0)
        return "by the living"

    return app


async def started_again(app: App, job_id: str) -> tuple[JobRecord, float]:
    """The record of the job once it has ended, and seconds until then."""
    killed_at = time.monotonic()
    (record,) = await ended(app.queue("video-generation"), job_id)
    return record, time.monotonic() - killed_at


async def seen_by(raw: Any, workers: int) -> None:
    await until(lambda: raw.hlen(VIDEOS.workers) == workers, f"{workers} workers beat")


async def held_by_the_other(app: App, raw: Any, process: Any) -> str:
    """A job that the process runs while the mourner is there too (which would end it at once)."""
    job = await app.queue("video-generation").add("async-sleep", 600)
    await process.says(f"Job {job.id} started")
    return job.id


async def test_a_killed_workers_job_runs_again_within_seconds(
    mourner: App, redis_url: str, raw: redis.Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving("house_app:app", redis_url, tmp_path / "log", "--queue", "video-generation") as process:
        await process.says("Worker ready")
        job_id = await held_by_the_other(mourner, raw, process)
        async with working(mourner, redis_url, pod_uid="living", lock_seconds=YOUNG):
            await seen_by(raw, 2)
            beats: Any = raw.hgetall(VIDEOS.workers)
            other = next(name for name in beats if name != "living")
            await until(
                lambda: Heartbeat.parse(str(raw.hget(VIDEOS.workers, other))).at != Heartbeat.parse(beats[other]).at,
                "it beats while the living one looks",
            )
            process.signal(signal.SIGKILL)
            record, _ = await started_again(mourner, job_id)
    assert record.return_value == "by the living"
    assert (record.stalled_count, record.attempts_started, record.attempts_made) == (1, 2, 1)
    assert f"Worker {other} is gone: 1 jobs of it are back" in caplog.text


async def test_a_stopped_process_is_not_dead(mourner: App, redis_url: str, raw: redis.Redis, tmp_path: Path) -> None:
    with serving("house_app:app", redis_url, tmp_path / "log", "--queue", "video-generation") as process:
        await process.says("Worker ready")
        job_id = await held_by_the_other(mourner, raw, process)
        async with working(mourner, redis_url, pod_uid="living", lock_seconds=YOUNG) as worker:
            await seen_by(raw, 2)
            process.signal(signal.SIGSTOP)
            assert worker.health.leases is not None
            (observer,) = worker.health.leases.beats._observers
            # Asked about several times, with longer and longer pauses: it is connected.
            await until(
                lambda: any(each.seconds >= 4 for each in observer._memory.respites.values()), "it is looked for"
            )
            assert raw.lrange(VIDEOS.active, 0, -1) == [job_id]
            process.signal(signal.SIGCONT)
            await until(lambda: not observer.suspects, "it beats again")
            assert raw.lrange(VIDEOS.active, 0, -1) == [job_id]


async def test_a_restart_of_the_container_takes_its_own_jobs_back(
    app: App, redis_url: str, raw: redis.Redis, tmp_path: Path
) -> None:
    name, queue = "video-generation", app.queue("video-generation")
    for start in ("first", "second"):
        with serving("house_app:app", redis_url, tmp_path / start, "--queue", name, POD_UID="uid-1") as process:
            await process.says("Worker ready")
            if start == "first":
                job = await queue.add("async-sleep", 600)
                await process.says(f"Job {job.id} started")
                process.kill()
            else:
                await process.says("1 jobs that this pod held before it was restarted are back in the queue")
                await process.says(f"Job {job.id} started")


async def test_two_workers_of_one_uid_do_not_take_each_others_jobs(
    app: App, redis_url: str, raw: redis.Redis, tmp_path: Path
) -> None:
    name, queue = "video-generation", app.queue("video-generation")
    with serving("house_app:app", redis_url, tmp_path / "1", "--queue", name, POD_UID="uid-1") as first:
        await first.says("Worker ready")
        job = await queue.add("async-sleep", 600)
        await first.says(f"Job {job.id} started")
        with serving("house_app:app", redis_url, tmp_path / "2", "--queue", name, POD_UID="uid-1") as second:
            await second.says("POD_UID=uid-1 is that of another running worker too: give each its own")
            assert raw.lrange(VIDEOS.active, 0, -1) == [job.id]


async def test_without_a_look_at_connections_the_locks_decide(
    own_redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis(port=own_redis.port) as admin:
        rules = "~bull:* +@read +@write -@dangerous +evalsha +script|load +time +client|setname +ping +info"
        admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", *rules.split())
    url = f"redis://worker:pw@127.0.0.1:{own_redis.port}/0"
    async with App(redis=url) as app:
        queue = app.queue("video-generation")

        @queue.job()
        async def survive(data: object) -> str:
            return "by the living"

        with serving("house_app:app", url, tmp_path / "log", "--queue", queue.name) as process:
            await process.says("Worker ready")
            job = await queue.add("async-sleep", 600)
            await process.says(f"Job {job.id} started")
            async with working(app, url, lock_seconds=YOUNG, stalled_seconds=YOUNG):
                process.kill()
                told = "Jobs of dead workers come back when their locks expire, not at once"
                await until(lambda: told in caplog.text, "the fallback is told")
                with redis.Redis(port=own_redis.port) as admin:
                    assert admin.lrange(VIDEOS.active, 0, -1) == [job.id.encode()]
                    admin.delete(VIDEOS.lock(job.id), VIDEOS.base + "stalled-check")  # as 30 s later
                (record,) = await ended(queue, job.id)
    assert record.return_value == "by the living"
    assert caplog.text.count("Jobs of dead workers come back") == 1


async def test_a_worker_is_named_by_instance_and_boot(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> None: ...

    location = RedisLocation.parse(redis_url)
    async with working(app, redis_url, pod_uid="uid 1"):
        await until(lambda: raw.hlen(KEYS.workers) == 1, "it beats")
        boot = Heartbeat.parse(str(raw.hget(KEYS.workers, "uid 1"))).boot
        names: Any = [client["name"] for client in raw.client_list() if client["db"] == str(location.db)]
        assert names.count(f"bullpen:uid?1:{boot}") >= 2


async def test_who_claims_has_beaten(app: App, redis_url: str, raw: redis.Redis) -> None:
    """One that dies in its first job would not be missed by anybody otherwise."""
    videos = app.queue("videos")
    beats: list[int] = []

    @videos.job()
    async def look(data: object) -> None:
        beats.append(int(raw.hlen(KEYS.workers)))

    await videos.add("x")
    async with working(app, redis_url):
        await until(lambda: bool(beats), "it runs")
    assert beats == [1]
