"""`bullpen serve`: until the queues are empty, of some queues only, and anew at each change."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bullpen import App
from bullpen.client.connection import Link
from bullpen.protocol.keys import QueueKeys
from bullpen.runtime.burst import has_work
from tests.integration.cli.conftest import Command
from tests.integration.worker.house import Process, environment, serving

EMAILS = QueueKeys("bull", "emails")


@pytest.fixture
async def app(redis_url: str) -> App:
    return App(redis=redis_url)


async def test_a_burst_does_all_there_is_and_ends_with_0(app: App, redis_url: str, tmp_path: Path) -> None:
    async with app:
        videos, emails = app.queue("video-generation"), app.queue("emails")
        jobs = [await videos.add("quick", {"n": n}) for n in range(20)]
        failing = await videos.add("quick", {"n": "x"})
        more = await videos.add("add", "y")  # adds a job to the other queue
        soon = await emails.add("later", 1, delay="1s")
        hidden = await emails.add("much later", 1, delay="1h")
        await emails.schedule("often", every="2s")
        with serving("house_app:app", redis_url, tmp_path / "log", "--burst") as worker:
            assert await worker.exit_code(seconds=60) == 0
        assert [await job.state() for job in (*jobs, more, soon)] == ["completed"] * 22
        assert await failing.state() == "failed"
        assert await hidden.state() == "delayed"
        assert (await emails.counts()).waiting == 0
        assert "All queues are empty" in worker.output


async def test_what_a_burst_waits_for(app: App, link: Link) -> None:
    async with app:
        queue = app.queue("emails")
        assert not await has_work(link, EMAILS)
        job = await queue.add("x", delay="1h")
        assert not await has_work(link, EMAILS)
        await job.change_delay("5s")
        assert await has_work(link, EMAILS)
        await job.promote()
        assert await has_work(link, EMAILS)
        await queue.pause()
        assert not await has_work(link, EMAILS)
        await queue.resume()
        await job.remove()
        await queue.schedule("often", every="3s", offset="1s")
        assert (await queue.counts()).delayed == 1
        assert not await has_work(link, EMAILS)


@pytest.mark.parametrize("options", [("--queue", "emails"), ("--queue", "emails,video-generation"), ()], ids=str)
async def test_named_queues_are_served(app: App, redis_url: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    async with app:
        jobs = [await app.queue(name).add("add", "x") for name in ("emails", "video-generation")]
        with serving("house_app:app", redis_url, tmp_path / "log", "--burst", *options) as worker:
            assert await worker.exit_code() == 0
        states = [await job.state() for job in jobs]
        assert states == ["completed", "waiting" if options == ("--queue", "emails") else "completed"]


def test_a_queue_that_is_not_there_or_has_no_jobs(bullpen: Command) -> None:
    said = bullpen("serve", "house_app:app", "--queue", "emails,nope")
    assert (said.code, said.err) == (
        2,
        "bullpen: --queue=nope: the app has no such queue (it has emails, video-generation); correct the name\n",
    )


SOURCE = """
from bullpen import App
app = App()
@app.queue("q").job()
async def anything(data):
    return {answer}
"""


class Reloading(Process):
    """`bullpen serve --reload` on `mine.py` in a directory of the test's own."""

    def __init__(self, url: str, directory: Path) -> None:
        self.log = directory / "log.txt"
        command = [sys.executable, "-m", "bullpen.cli", "serve", "mine:app", "--reload"]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env=environment(url), stdout=output, stderr=subprocess.STDOUT, cwd=directory
            )


async def test_a_change_restarts_the_worker_and_a_syntax_error_is_waited_out(
    app: App, redis_url: str, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(SOURCE.format(answer=1))
    process = Reloading(redis_url, tmp_path)
    try:
        async with app:
            queue = app.queue("q")
            await process.says("Worker ready")
            assert await (await queue.add("x")).result(timeout=20) == 1
            mine.write_text(SOURCE.format(answer="22"))
            await process.says("Changed: mine.py")
            await process.says("Worker ready", times=2)
            assert await (await queue.add("x")).result(timeout=20) == 22
            mine.write_text("def (")
            await process.says("waiting for a change of a Python file")
            assert "SyntaxError: invalid syntax (mine.py, line 1)" in process.output
            assert not process.ended
            mine.write_text(SOURCE.format(answer="333"))
            await process.says("Worker ready", times=3)
            assert await (await queue.add("x")).result(timeout=20) == 333
            (tmp_path / "notes.txt").write_text("no Python")
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
        assert process.output.count("Worker stopped") == 3
        assert process.output.count("Changed:") == 3
    finally:
        process.kill()


async def test_running_jobs_end_before_the_new_code_is_served(app: App, redis_url: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("import asyncio\n" + SOURCE.format(answer="await asyncio.sleep(2, 'old')"))
    process = Reloading(redis_url, tmp_path)
    try:
        async with app:
            await process.says("Worker ready")
            job = await app.queue("q").add("x")
            await process.says("started")
            mine.write_text(SOURCE.format(answer=2))
            assert await job.result(timeout=20) == "old"
            assert (await job.record()).attempts_started == 1
            await process.says("Worker ready", times=2)
        process.signal(signal.SIGINT)
        assert await process.exit_code() == 0
    finally:
        process.kill()
