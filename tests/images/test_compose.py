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
from typing import Any
from urllib.request import Request, urlopen

import pytest

from bullpen import App, NewJob
from hack.stage.kubectl import until
from hack.stage.ledger import Entry, account, parse
from tests.images.engine import CHECKOUT, HARNESS, environment, run, said

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


@contextmanager
def standing(*files: Path, **settings: str) -> Iterator[Stack]:
    """The services of these files, not yet started; removed at the end."""
    named = [word for file in files for word in ("-f", str(file))]
    made = Stack((*HARNESS, "compose", "-p", "bullpen-test", *named), {**environment(), **settings})
    run(*made.words, "down", "--volumes", env=made.env)
    yield made
    made("down", "--volumes")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    said(*HARNESS, "build", "worker", "quickstart", "redis")
    beside = tmp_path / "beside.yml"
    beside.write_text(BESIDE)
    with standing(FILE, beside, IMAGE="bullpen/quickstart:dev", QUEUE_CONCURRENCY="4") as made:
        yield made


@pytest.fixture
def example() -> Iterator[Stack]:
    """The file with nothing but a free port set."""
    said(*HARNESS, "build", "worker", "redis")
    said(*HARNESS, "build", "-t", "bullpen/api:dev", str(CHECKOUT / "examples" / "api"))
    with standing(FILE, API_PORT="0") as made:
        yield made


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


def ask(url: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_the_example_api_queues_a_job_and_a_worker_does_it(example: Stack) -> None:
    example("up", "-d", "--wait")
    api = f"http://{example('port', 'api', '8000')}".replace("0.0.0.0", "127.0.0.1")
    queued = ask(f"{api}/videos", {"userId": "u1", "scriptId": "s1"})
    assert queued.keys() == {"jobId", "status"}
    assert queued["status"] == "queued"
    until(lambda: ask(f"{api}/videos/{queued['jobId']}")["status"] == "completed", "the job to be done", within=60)
