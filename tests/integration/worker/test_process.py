"""Jobs in processes of their own, with a worker in the test's own loop or as people run it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bullpen import App, ConfigurationError, Flow, JobFailed, Retry
from bullpen.protocol import QueueKeys
from bullpen.protocol.causes import Cause
from bullpen.runtime.memory import resident_bytes
from bullpen.runtime.recycling import Limits
from tests.integration.worker.house import ended, process_app, serving, until, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis

    from bullpen import Job, Queue
    from bullpen.runtime.worker import Worker

KEYS = QueueKeys("bull", "videos")
APP = "process_app:app"
LOCK = 0.6


@pytest.fixture
async def videos(redis_url: str) -> AsyncIterator[Queue]:
    async with process_app(redis_url) as app:
        yield app.queue("videos")


def pids(worker: Worker) -> set[int]:
    processes = worker._executors.processes
    assert processes is not None
    return {each.pid for each in processes.alive()}


def runs(pid: int) -> bool:
    """Whether there is such a process, zombies included."""
    return Path(f"/proc/{pid}").exists()


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def reported_pid(job: Job) -> int:
    while not isinstance(pid := await job.progress(), int) or not pid:
        pass
    return pid


async def test_a_process_job_reports_logs_and_returns(
    videos: Queue, redis_url: str, raw: redis.Redis, tmp_path: Path
) -> None:
    with serving(APP, redis_url, tmp_path / "log") as process:
        job = await videos.add("render", {"userId": "u1"})
        assert await job.result(timeout=20, as_=dict) == {"userId": "u1"}  # by alias both ways
        await process.says("completed")
    assert raw.lrange(KEYS.logs(job.id), 0, -1) == [f"line {line}" for line in range(20)]
    assert raw.hget(KEYS.job(job.id), "progress") == '{"step":"merge"}'
    said = [line for line in process.lines if "Job" in line or "my" in line]
    assert [line.split(" (")[0] for line in said] == [
        f"INFO  [VideosWorker] Job {job.id} started",
        f"INFO  [VideosWorker] Job {job.id} progress: 50%",
        f'INFO  [VideosWorker] Job {job.id} progress: {{"step":"merge"}}',
        f"INFO  [VideosWorker] Job {job.id}: half way",
        "WARN  [my.library] careful",
        f"INFO  [VideosWorker] Job {job.id} completed",
    ]


async def test_what_is_around_a_job_is_around_one_in_a_process(videos: Queue, redis_url: str, raw: redis.Redis) -> None:
    async with working(videos.app, redis_url, reference=APP):
        job = await videos.add("surrounded", {})
        answer = await job.result(timeout=20)
    assert answer["around"] == os.getpid()  # middleware is here, its resource and its job are there
    assert answer["desk"] == answer["here"] != os.getpid()
    assert raw.hget(KEYS.job(job.id), "data") == f'{{"seen":{answer["saved"]}}}'


async def test_children_are_warm_and_as_few_as_there_are_jobs(videos: Queue, redis_url: str) -> None:
    async with working(videos.app, redis_url, reference=APP, concurrency=8) as worker:
        answers = [await (await videos.add("pid")).result(timeout=20) for _ in range(5)]
        children = {child for child, _ in answers}
        assert {parent for _, parent in answers} == {os.getpid()}
        assert len(children) <= 2
        await until(lambda: len(pids(worker)) == 2, "one that served, and one to spare")
        assert children <= pids(worker)
        jobs = [await videos.add("async", 0.5) for _ in range(3)]  # coroutines run there, too
        assert 2 <= len({await job.result(timeout=20) for job in jobs}) <= 3
        assert len(pids(worker)) <= 4
        left = pids(worker)
    assert not any(map(runs, left))


async def test_a_child_is_replaced_after_so_many_jobs(videos: Queue, redis_url: str) -> None:
    async with working(videos.app, redis_url, reference=APP, concurrency=1, child_jobs=2) as worker:
        served = [(await (await videos.add("pid")).result(timeout=20))[0] for _ in range(6)]
        await until(lambda: not any(runs(pid) for pid in served[:2]), "the first one is gone")
        assert len(pids(worker)) <= 2
    assert all(served.count(pid) <= 2 for pid in served)


async def test_a_child_that_leaks_goes_before_the_worker_has_to(
    videos: Queue, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    limits = Limits(memory=resident_bytes(os.getpid()) + 600 * 2**20)
    async with working(videos.app, redis_url, reference=APP, concurrency=1, recycling=limits):
        served = [await (await videos.add("leak", 100 * 2**20)).result(timeout=20) for _ in range(8)]
    assert len(set(served)) >= 3
    assert "of memory after its jobs; its share of MAX_MEMORY is" in caplog.text
    assert "Recycling" not in caplog.text


async def test_a_worker_may_end_while_its_first_child_starts(
    videos: Queue, redis_url: str, raw: redis.Redis, tmp_path: Path
) -> None:
    for _ in range(3):
        async with working(videos.app, redis_url, reference=APP) as worker:
            processes = worker._executors.processes
            assert processes is not None
            processes.kill()  # as a worker whose loop is blocked does it
    with serving(APP, redis_url, tmp_path / "log", DRAIN_SECONDS="0") as process:
        job = await videos.add("sleep", 60.0)
        await process.says("started")  # it waits for a child
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert raw.lrange(KEYS.wait, 0, -1) == [job.id]


RAISED = {
    "value": ("ValueError: no such script", Cause.ERROR),
    "odd": ("Odd: odd", Cause.ERROR),
    "never": ("the account is closed", Cause.ERROR),
    "exit": ("SystemExit: 3", Cause.ERROR),
    "_exit": ("ProcessDied: the job's process exited with code 4", Cause.ERROR),
    "segv": ("ProcessDied: the job's process was killed by SIGSEGV", Cause.SIGNAL),
    "memory": ("MemoryError: none left", Cause.OOM),
}


async def test_errors_of_a_process_read_as_elsewhere(videos: Queue, redis_url: str) -> None:
    async with working(videos.app, redis_url, reference=APP, concurrency=2):
        jobs = {name: await videos.add("raise", name) for name in RAISED}
        jobs["misfit"] = videos.get((await (await videos.producer()).add("render", {})).job_id)
        jobs["thing"] = await videos.add("thing")
        records = dict(zip(jobs, await ended(videos, *(job.id for job in jobs.values())), strict=True))
    assert {name: (records[name].failed_reason, records[name].cause) for name in RAISED} == RAISED
    assert records["misfit"].failed_reason == "data does not fit Render: userId: Field required"
    assert records["misfit"].attempts_made == 1  # retries would change nothing
    assert str(records["thing"].failed_reason).startswith(
        "the job returned what is no JSON: result: a object is no JSON"
    )
    (trace,) = records["value"].stack_trace
    assert trace.startswith("Traceback (most recent call last):\n  File")
    assert trace.count("File") == 1  # the job's own frame alone
    assert 'raise ValueError("no such script")' in trace


async def test_signals_and_errors_with_fields_come_as_they_were_raised(
    videos: Queue, redis_url: str, tmp_path: Path
) -> None:
    async with working(videos.app, redis_url, reference=APP):
        job = await videos.add("come-back", [str(tmp_path / "seen"), "delay", "requeue"])
        assert await job.result(timeout=20) == "done"
        record = await job.record()
        assert (record.attempts_made, record.attempts_started) == (1, 3)
        assert await (await videos.add("busy")).result(timeout=20) == 2  # the backoff had looked at the error


async def test_a_process_asks_redis_through_its_worker(videos: Queue, redis_url: str) -> None:
    tree = Flow(queue=videos, name="children", children=[Flow(queue=videos, name="quick")])
    async with working(videos.app, redis_url, reference=APP):
        flow = await videos.app.flow(tree)
        assert list((await flow.job.result(timeout=20)).values()) == ["done"]


@pytest.mark.parametrize("name", ["cooperative", "sleep"])
async def test_a_process_job_is_stopped_before_it_is_handed_back(
    videos: Queue, redis_url: str, raw: redis.Redis, tmp_path: Path, name: str
) -> None:
    with serving(APP, redis_url, tmp_path / "log", DRAIN_SECONDS="0.1") as process:
        job = await videos.add(name, 60.0)
        await process.says("started")
        if name == "cooperative":
            await until(lambda: bool(raw.exists(KEYS.logs(job.id))), "it runs")
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert raw.lrange(KEYS.wait, 0, -1) == [job.id]
    assert raw.hmget(KEYS.job(job.id), "atm", "stc", "bp:cause") == [None, None, None]
    assert f"Job {job.id} handed back" in process.output


async def test_a_lost_lock_kills_the_process_and_its_result_is_refused(
    videos: Queue, redis_url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with working(videos.app, redis_url, reference=APP, lock_seconds=LOCK, stalled_seconds=30):
        job = await videos.add("report-pid", 60.0)
        child = await reported_pid(job)
        raw.set(KEYS.lock(job.id), "somebody-else")
        await until(lambda: not runs(child), "it is killed")
        await until(lambda: "its result is refused" in caplog.text, "it is noted")
        assert await (await videos.add("pid")).result(timeout=20)  # the slot is free
    assert raw.get(KEYS.lock(job.id)) == "somebody-else"
    assert await job.state() == "active"
    assert raw.hget(KEYS.job(job.id), "atm") is None


async def test_no_child_outlives_a_killed_worker(videos: Queue, redis_url: str, tmp_path: Path) -> None:
    with serving(APP, redis_url, tmp_path / "log") as process:
        job = await videos.add("report-pid", 300.0)
        child = await reported_pid(job)
        parent = process._process.pid
        await until(lambda: len(children_of(parent)) == 2, "the spare one is there")
        children = children_of(parent)
        assert child in children
        process.signal(signal.SIGKILL)
        assert await process.exit_code() == -9
        await until(lambda: not any(map(runs, children)), "all are gone", seconds=5)


async def test_a_signal_to_everybody_is_the_workers_to_handle(videos: Queue, redis_url: str) -> None:
    """As Ctrl-C and a service manager send it."""
    async with working(videos.app, redis_url, reference=APP):
        job = await videos.add("report-pid", 0.5)
        child = await reported_pid(job)
        os.kill(child, signal.SIGINT)
        os.kill(child, signal.SIGTERM)
        assert await job.result(timeout=20) == child


async def test_jobs_that_block_longer_than_their_lock_run_once(videos: Queue, redis_url: str) -> None:
    app = App(redis=redis_url)
    blocking = app.queue("videos")
    started: list[str] = []

    @blocking.job("async")
    async def in_loop(data: object) -> str:
        started.append("async")
        time.sleep(4 * LOCK)  # noqa: ASYNC251 - what no job should do
        return "slept"

    @blocking.job("thread")
    def in_thread(data: object) -> str:
        started.append("thread")
        time.sleep(4 * LOCK)
        return "slept"

    for name in ("sleep", "quick"):
        blocking._handlers[name] = videos._handlers[name]
    async with app, working(app, redis_url, reference=APP, lock_seconds=LOCK, stalled_seconds=LOCK / 2):
        jobs = [await blocking.add(name, 4 * LOCK) for name in ("sleep", "thread", "async")]
        records = await ended(blocking, *(job.id for job in jobs))
    assert [record.return_value for record in records] == ["slept"] * 3
    assert [(record.attempts_started, record.stalled_count) for record in records] == [(1, 0)] * 3
    assert sorted(started) == ["async", "thread"]


async def test_an_app_that_no_process_can_import_fails_its_jobs_with_the_reason(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "main_only.py").write_text(
        "import sys\nfrom bullpen import App\n"
        "if 'bullpen.runtime.child' in sys.orig_argv: raise RuntimeError('not here')\n"
        "app = App()\nqueue = app.queue('videos')\n"
        "@queue.job('x', run='process')\ndef x(data: object) -> None: ...\n"
    )
    environ: dict[str, Any] = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    with serving("main_only:app", redis_url, tmp_path / "log", **environ) as process:
        async with App(redis=redis_url) as app:
            job = await app.queue("videos").add("x", {}, retry=Retry(attempts=1))
            with pytest.raises(JobFailed, match="RuntimeError: not here"):
                await job.result(timeout=20)
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
        assert "could not be started: RuntimeError: not here" in process.output


async def test_a_worker_that_cannot_tell_a_child_its_app_does_not_start(videos: Queue, redis_url: str) -> None:
    with pytest.raises(ConfigurationError, match="no app is named that a process could import"):
        async with working(videos.app, redis_url):
            pass
