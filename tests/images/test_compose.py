"""`docker-compose.prod.worker.yml` as it stands: started, scaled, one worker stopped in the middle, started again.

The witness of what ran is a ledger in a container of its own: neither Redis nor the workers can talk it over.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bullpen import App, NewJob
from hack.stage.ledger import Entry, account, parse
from tests.images.engine import CHECKOUT, HARNESS, environment, run, said, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

FILE = CHECKOUT / "docker-compose.prod.worker.yml"
QUEUE = "video-generation"
JOBS = 1_000
WORKERS = 5
COMPLETED = r"\[VideoWorker\] Job \S+ completed"
# What the test adds to the file: a witness, and a door to Redis for this machine.
BESIDE = """
services:
  redis: {ports: ["127.0.0.1::6379"]}
  worker: {environment: {LEDGER: "ledger:7000"}}
  ledger:
    image: bullpen/quickstart:dev
    entrypoint: [python3, -m, ledger, "7000"]
"""


@dataclass(frozen=True)
class Stack:
    """The services of the file under a project name of the test's own."""

    words: tuple[str, ...]
    env: dict[str, str]

    def __call__(self, *words: str) -> str:
        return said(*self.words, *words, env=self.env)

    @contextmanager
    def followed(self, service: str, into: Path) -> Iterator[Path]:
        """`logs -f` into a file while the block runs."""
        words = [*self.words, "logs", "-f", "--no-color", service]
        with (
            into.open("w") as file,
            subprocess.Popen(words, env=self.env, stdin=subprocess.DEVNULL, stdout=file) as logs,
        ):
            yield into
            logs.terminate()

    @property
    def redis(self) -> str:
        return f"redis://{self('port', 'redis', '6379')}"

    @property
    def entries(self) -> list[Entry]:
        return parse(self("logs", "--no-color", "--no-log-prefix", "ledger").splitlines())


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    said(*HARNESS, "build", "worker", "quickstart", "redis")
    beside = tmp_path / "beside.yml"
    beside.write_text(BESIDE)
    env = {**environment(), "IMAGE": "bullpen/quickstart:dev", "QUEUE_CONCURRENCY": "4"}
    words = (*HARNESS, "compose", "-p", "bullpen-test", "-f", str(FILE), "-f", str(beside))
    made = Stack(words, env)
    run(*words, "down", "--volumes", env=env)
    yield made
    made("down", "--volumes")


async def add(url: str) -> list[str]:
    async with App(redis=url) as app:
        payload = {"userId": "u", "scriptId": "s", "seconds": 0.1}
        jobs = await app.queue(QUEUE).add_bulk([NewJob("generate", payload)] * JOBS)
        return [job.id for job in jobs]


async def completed(url: str) -> int:
    async with App(redis=url) as app:
        return (await app.queue(QUEUE).counts()).completed


def test_five_workers_share_the_jobs_and_none_is_lost_when_one_stops(stack: Stack, tmp_path: Path) -> None:
    stack("up", "-d", "--scale", f"worker={WORKERS}", "redis", "ledger", "worker")
    with stack.followed("worker", tmp_path / "logs") as logs:
        ids = asyncio.run(add(stack.redis))
        until(lambda: len({entry.pod for entry in stack.entries}) == WORKERS, "each worker to start a job", within=60)

        said("docker", "stop", "--time", "45", "bullpen-test-worker-3", env=stack.env)
        stopped = json.loads(said("docker", "inspect", "bullpen-test-worker-3", env=stack.env))[0]
        assert stopped["State"]["ExitCode"] == 0
        assert asyncio.run(completed(stack.redis)) < JOBS, "the stop came too late to prove anything"

        until(lambda: asyncio.run(completed(stack.redis)) == JOBS, "all jobs to be completed", within=120)
        until(lambda: len(re.findall(COMPLETED, logs.read_text())) == JOBS, "the log to say so", within=30)
        assert logs.read_text().count("[WorkerService] Worker ready") == WORKERS

    summed = account(stack.entries)
    assert summed.ended == set(ids)
    assert summed.interrupted == ()
    assert set(summed.starts.values()) == {1}
    shares = Counter(entry.pod for entry in stack.entries if entry.event == "start")
    assert len(shares) == WORKERS
    assert shares[stopped["Config"]["Hostname"]] < JOBS / WORKERS

    # What Redis was told is on disk.
    stack("down")
    stack("up", "-d", "--wait", "redis")
    assert asyncio.run(completed(stack.redis)) == JOBS
