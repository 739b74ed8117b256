"""Workers as people run them, a number of `bullpen serve` processes on one queue; and the load they are under."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import redis

from bullpen import App, Job, NewJob
from bullpen.errors import ConnectionLost
from bullpen.protocol import Call, QueueKeys
from tests.integration.worker.house import environment
from tests.reliability.ledger import Ledger

APPS = Path(__file__).parent / "apps"
KEYS = QueueKeys("bull", "steps")
WAIT = Call(command=("WAIT", 1, 500), parse=int)
STALLED = "job stalled more than allowable limit"


class Worker:
    """One process."""

    def __init__(self, url: str, directory: Path, number: int, **environ: str) -> None:
        self.log = directory / f"worker-{number}.log"
        variables = environment(url, LEDGER=str(directory / "ledger"), **environ)
        command = [sys.executable, "-m", "bullpen.cli", "serve", "steady:app", "--log-level", "info"]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, env=variables, stdout=output, stderr=output, cwd=APPS)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def reap(self) -> int:
        return self._process.wait(60)

    async def ready(self) -> None:
        deadline = time.monotonic() + 60
        while "Worker ready" not in self.log.read_text():
            assert self.code is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{self.log}: not ready"
            await asyncio.sleep(0.02)

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Fleet:
    """Started, killed, replaced; remembers when each process died."""

    def __init__(self, url: str, directory: Path, **environ: str) -> None:
        self.url, self.directory, self._environ = url, directory, {"QUEUE_CONCURRENCY": "30", **environ}
        self.workers: list[Worker] = []
        self.deaths: dict[int, float] = {}
        self._made = 0

    async def start(self, count: int = 1) -> None:
        started = []
        for _ in range(count):
            self._made += 1
            started.append(Worker(self.url, self.directory, self._made, **self._environ))
            self.workers.append(started[-1])
        for each in started:
            await each.ready()

    def kill(self, worker: Worker) -> None:
        """As the kernel does it; the time of death is the moment after."""
        worker.signal(signal.SIGKILL)
        worker.reap()
        self.deaths[worker.pid] = time.monotonic()
        self.workers.remove(worker)

    async def retire(self, worker: Worker) -> int:
        """As Kubernetes does it; returns the exit code."""
        worker.signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while worker.code is None:
            assert time.monotonic() < deadline, f"{worker.log} does not end"
            await asyncio.sleep(0.02)
        self.workers.remove(worker)
        return int(worker.reap())

    def stop(self) -> None:
        for each in self.workers:
            if each.code is None:
                each.signal(signal.SIGCONT)
                each.signal(signal.SIGKILL)
            each.reap()

    def ledger(self) -> Ledger:
        return Ledger(self.directory / "ledger", self.deaths)

    def said(self, text: str) -> int:
        """How often the workers said so."""
        return sum(log.read_text().count(text) for log in self.directory.glob("worker-*.log"))


class Load:
    """Adds jobs at a steady rate under ids of its own, each until it is acknowledged.

    With `replicas` by so many of them, too: an acknowledgement of the master alone is void once it is gone.
    """

    def __init__(self, app: App, *, rate: int, kinds: tuple[tuple[str, float], ...], replicas: int = 0) -> None:
        self._app, self._queue, self._rate, self._kinds = app, app.queue("steps"), rate, kinds
        self._replicas = replicas
        self.ids: list[str] = []
        self.unreplicated: set[str] = set()
        """Those that a master had acknowledged and no replica: they were added again."""
        self._enough = asyncio.Event()

    async def run(self) -> None:
        began, tick = time.monotonic(), 0.1
        while not self._enough.is_set():
            wanted = int((time.monotonic() - began) * self._rate)
            await self.add(wanted - len(self.ids))
            await asyncio.sleep(tick)

    async def add(self, count: int) -> None:
        first = len(self.ids)
        jobs = []
        for number in range(first, first + count):
            name, seconds = self._kinds[number % len(self._kinds)]
            jobs.append(NewJob(name, seconds, job_id=f"job-{number}"))
        while jobs:
            try:
                await self._queue.add_bulk(jobs)
                if await self._replicated():
                    break
                self.unreplicated.update(str(each.job_id) for each in jobs)
            except ConnectionLost:
                pass
            await asyncio.sleep(0.1)
        self.ids += [f"job-{number}" for number in range(first, first + count)]

    async def _replicated(self) -> bool:
        # WAIT speaks of the writes of its own connection. The same link's next one would be with another master, which
        # has no replica yet.
        return not self._replicas or await (await self._app.link(["steps"])).run(WAIT) >= self._replicas

    def stop(self) -> None:
        self._enough.set()

    def job(self, job_id: str) -> Job:
        return self._queue.get(job_id)


@asynccontextmanager
async def loaded(
    app: App, *, rate: int, kinds: tuple[tuple[str, float], ...], replicas: int = 0
) -> AsyncIterator[Load]:
    """The load, running; stopped at the end."""
    load = Load(app, rate=rate, kinds=kinds, replicas=replicas)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        try:
            yield load
        finally:
            load.stop()


def records(raw: Any, ids: list[str]) -> dict[str, dict[str, str]]:
    """The hashes of these jobs."""
    with raw.pipeline(transaction=False) as pipe:
        for each in ids:
            pipe.hgetall(KEYS.job(each))
        return dict(zip(ids, pipe.execute(), strict=True))


async def settled(raw: Any, count: int, *, seconds: float = 120) -> None:
    """Every job has ended; fails when none has for so many seconds."""
    deadline, most = time.monotonic() + seconds, -1
    while True:
        try:
            ended = raw.zcard(KEYS.completed) + raw.zcard(KEYS.failed)
        except redis.RedisError:
            ended = -1
        if ended >= count:
            return
        if ended > most:
            deadline, most = time.monotonic() + seconds, ended
        assert time.monotonic() < deadline, (
            f"{ended} of {count} jobs have ended; active {raw.lrange(KEYS.active, 0, 20)}, wait {raw.llen(KEYS.wait)}"
        )
        await asyncio.sleep(0.1)
