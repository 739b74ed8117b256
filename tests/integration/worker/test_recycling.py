"""A worker that has lived long enough drains and exits 0, saying why; one whose loop ends exits otherwise."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import redis

from bullpen import App
from bullpen.protocol import QueueKeys
from tests.integration.worker.house import serving

KEYS = QueueKeys("bull", "video-generation")
QUEUE = ("--queue", "video-generation")


async def test_after_so_many_jobs_a_process_drains_and_exits(app: App, redis_url: str, tmp_path: Path) -> None:
    videos = app.queue("video-generation")
    with serving("house_app:app", redis_url, tmp_path / "log", *QUEUE, MAX_JOBS="3") as process:
        await process.says("Worker ready")
        long = await videos.add("async-sleep", 3)
        for number in range(3):
            await videos.add("quick", {"n": number})
        await process.says("jobs done (this process' share of MAX_JOBS is")
        assert await process.exit_code() == 0
    assert await long.result(timeout=1) == "slept"  # what fits is finished
    assert "Worker stopped" in process.output


async def test_a_process_that_is_too_big_goes(app: App, redis_url: str, tmp_path: Path) -> None:
    with serving("house_app:app", redis_url, tmp_path / "log", *QUEUE, MAX_MEMORY="40Mi") as process:
        assert await process.exit_code() == 0
    assert "MiB of memory in use (this process' share of MAX_MEMORY is" in process.output


async def test_a_process_that_is_too_old_goes_and_a_signal_does_not_hurry_it(
    app: App, redis_url: str, tmp_path: Path
) -> None:
    videos = app.queue("video-generation")
    with serving("house_app:app", redis_url, tmp_path / "log", *QUEUE, MAX_AGE="2s") as process:
        job = await videos.add("async-sleep", 6)
        await process.says("old (this process' share of MAX_AGE is")
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert await job.result(timeout=1) == "slept"


async def test_a_worker_whose_loop_ends_says_so_and_exits_otherwise(
    app: App, redis_url: str, raw: redis.Redis, tmp_path: Path
) -> None:
    videos = app.queue("video-generation")
    with serving("house_app:app", redis_url, tmp_path / "log", *QUEUE) as process:
        await process.says("Worker ready")
        held = await videos.add("async-sleep", 600)
        await process.says(f"Job {held.id} started")
        await videos.add("cancel-the-loop", {})
        assert await process.exit_code() == 1
    assert "Unexpected end of queue video-generation (it was cancelled by code of the app)" in process.output
    waiting: Any = raw.lrange(KEYS.wait, 0, -1)
    assert held.id in waiting  # handed back all the same
