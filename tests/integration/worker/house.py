"""A worker in the test's own loop, or as a process of its own; and what to wait for."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from bullpen import App, Queue
from bullpen.cli.serve import served_queues
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.replies import JobRecord
from bullpen.runtime.settings import Settings
from bullpen.runtime.worker import Worker

PATIENCE = 20.0
EXAMPLES = Path(__file__).parent / "apps"


async def until(true: Callable[[], bool], what: str, *, seconds: float = PATIENCE) -> None:
    """Wait for something to become true, looking often; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        await asyncio.sleep(0.01)


async def ended(queue: Queue, *jobs: str, seconds: float = PATIENCE) -> list[JobRecord]:
    """The records of jobs once they are completed or failed."""
    producer = await queue.producer()
    records = []
    for job_id in jobs:
        deadline = time.monotonic() + seconds
        while True:
            record = await producer.get_job(job_id)
            if record is not None and record.finished_on is not None:
                records.append(record)
                break
            state = "gone" if record is None else await producer.state(job_id)
            assert time.monotonic() < deadline, f"job {job_id} is {state} after {seconds} s"
            await asyncio.sleep(0.01)
    return records


class Left(Exception):
    """Stands for the end of the process in tests that run a worker in their own."""


@asynccontextmanager
async def working(
    app: App, url: str, *, left: list[int] | None = None, reference: str | None = None, **settings: Any
) -> AsyncIterator[Worker]:
    """The app's worker, running; drained at the end. `left` gets the exit code of a worker that leaves by force.

    `reference` is how child processes import the app.
    """
    location = RedisLocation.parse(url)
    chosen = Settings(redis=lambda: location, pod_name="test", app=reference, **settings)
    codes: list[int] = [] if left is None else left
    worker = Worker(served_queues(app, None, chosen), chosen, telemetry=app.telemetry, leave=codes.append)
    task = asyncio.create_task(worker.run())
    try:
        await until(lambda: worker.health.started or task.done(), "the worker starts")
        yield worker
    finally:
        if not task.done():
            worker.stop()
        await asyncio.wait_for(task, PATIENCE)
    assert left is not None or not codes, "the worker left jobs behind"


@asynccontextmanager
async def process_app(url: str) -> AsyncIterator[App]:
    """The app of `apps/process_app.py` on this Redis, which child processes can import as well."""
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    app: App = importlib.import_module("process_app").app
    location = RedisLocation.parse(url)
    app._redis = lambda: location
    async with app:
        yield app


class Process:
    """`bullpen serve` on one of the apps beside this file; its output goes to a file."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=EXAMPLES
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    async def says(self, text: str, *, times: int = 1, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while self.output.count(text) < times:
            assert not self.ended or self.output.count(text) >= times, f"it ended without {text!r}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {text!r} within {seconds} s:\n{self.output}"
            await asyncio.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exit_code(self, *, seconds: float = PATIENCE) -> int:
        await until(lambda: self.ended, f"the process ends; it said:\n{self.output}", seconds=seconds)
        return int(self._process.returncode)

    def kill(self) -> None:
        if not self.ended:
            self._process.kill()
        self._process.wait(PATIENCE)


@contextmanager
def serving(app: str, url: str, log: Path, *options: str, **environ: str) -> Iterator[Process]:
    """`bullpen serve` as people run it; killed at the end if it is still there."""
    process = Process([sys.executable, "-m", "bullpen.cli", "serve", app, *options], environment(url, **environ), log)
    try:
        yield process
    finally:
        process.kill()


def environment(url: str, **environ: str) -> dict[str, str]:
    """This process' environment without settings of ours, and with the given ones."""
    ours = ("REDIS_", "QUEUE_", "BULLPEN_", "POD_", "LOG_", "MODE", "METRICS_PORT", "DRAIN_SECONDS", "WEBHOOK_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, "REDIS_URL": url, "PYTHONUNBUFFERED": "1", **environ}
