"""The workers of the benchmark's pods, and producers for its active pools: a process beside the operator.

    python benchmarks/operator_figures/load.py --redis-url URL --kubeconfig PATH --namespace NAME

Reads a number of pools from each line of its standard input; from then on jobs keep coming to the active ones among
them, at a steady rate for each, until the input ends. Pods are fake, so all that they would say and do in Redis is done
here: heartbeats, and claiming and finishing of jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import random
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
sys.path.insert(2, str(Path(__file__).resolve().parents[2]))

from bullpen.client.connection import Link
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.add import add
from bullpen.protocol.calls.work import Finish, work
from bullpen.protocol.heartbeat import Heartbeat, beat, forget
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.replies import Outcome
from bullpen.runtime.loop import METRICS_MINUTES
from bullpen_operator.api.pods import POOL_LABEL
from operator_figures.pools import CONCURRENCY, REMOVED, is_active, number_of, queue_of
from operator_figures.watching import events, transport

JOB_EVERY_SECONDS = 2.0
JOB_SECONDS = 4.0
BEAT_SECONDS = 1.0
TURN_SECONDS = 0.05
CPU_SHARE = 0.05
RSS = 60 * 2**20


@dataclass(slots=True, eq=False)
class Worker:
    """The one of a pod."""

    name: str
    uid: str
    queue: Queue
    began: float
    running: dict[str, float] = field(default_factory=dict)
    """When each job was claimed, by id."""
    tokens: itertools.count[int] = field(default_factory=itertools.count)
    done: int = 0
    first_claim: float | None = None
    marked: bool = False

    @property
    def free(self) -> int:
        return CONCURRENCY - len(self.running)

    def heartbeat(self, now: float) -> Heartbeat:
        return Heartbeat(
            instance=self.uid,
            boot="fake",
            slots=CONCURRENCY,
            busy=len(self.running),
            done=self.done,
            failed=0,
            pod=self.name,
            version="0",
            oldest=min(self.running.values(), default=None),
            cpu=round((now - self.began) * CPU_SHARE, 3),
            rss=RSS,
            draining=self.marked,
            drained=self.marked and not self.running,
            first_claim=self.first_claim,
        )


@dataclass(slots=True, eq=False)
class Queue:
    """Of a pool: `waiting` jobs that were added and not claimed."""

    keys: QueueKeys
    workers: dict[str, Worker] = field(default_factory=dict)
    waiting: int = 0

    def idlest(self) -> Worker | None:
        able = [each for each in self.workers.values() if each.free > 0 and not each.marked]
        return max(able, key=lambda each: each.free, default=None)


class Load:
    """What is due is done in turns of some milliseconds, so that the calls of a turn leave in one write."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._queues: dict[int, Queue] = {}
        self._fed: set[int] = set()
        self._due: list[tuple[float, int, Coroutine[Any, Any, None]]] = []
        self._order = itertools.count()

    def feed(self, pools: int) -> None:
        """From now on jobs come to the active ones of so many pools."""
        for number in range(pools):
            if is_active(number) and number not in self._fed:
                self._fed.add(number)
                self._at(time.time() + random.uniform(0, JOB_EVERY_SECONDS), self._produce(self._queue(number)))

    def appeared(self, number: int, name: str, uid: str) -> None:
        queue = self._queue(number)
        if uid not in queue.workers:
            worker = queue.workers[uid] = Worker(name, uid, queue, time.time())
            self._at(worker.began + random.uniform(0, BEAT_SECONDS), self._beat(worker))

    def vanished(self, number: int, uid: str) -> None:
        worker = self._queue(number).workers.pop(uid, None)
        if worker is not None:
            self._at(time.time(), self._leave(worker))

    async def run(self) -> None:
        while True:
            now, calls = time.time(), []
            while self._due and self._due[0][0] <= now:
                calls.append(heapq.heappop(self._due)[2])
            await asyncio.gather(*calls)
            await asyncio.sleep(TURN_SECONDS)

    def close(self) -> None:
        for _, _, each in self._due:
            each.close()

    def _queue(self, number: int) -> Queue:
        return self._queues.setdefault(number, Queue(queue_of(number)))

    def _at(self, moment: float, call: Coroutine[Any, Any, None]) -> None:
        heapq.heappush(self._due, (moment, next(self._order), call))

    async def _produce(self, queue: Queue) -> None:
        now = time.time()
        self._at(now + JOB_EVERY_SECONDS, self._produce(queue))
        await self._link.run(add(queue.keys, name="job", data="{}", now=int(now * 1000)))
        queue.waiting += 1
        await self._work(queue, None)

    async def _work(self, queue: Queue, ended: tuple[Worker, str, str] | None) -> None:
        """Finish a job that has had its time (its worker, id and token), and claim one if one waits."""
        worker = queue.idlest() if queue.waiting else None
        if worker is None and ended is None:
            return
        now, finishes, tokens = time.time(), [], []
        if ended is not None:
            of, job, token = ended
            finishes = [Finish(job_id=job, token=token, outcome=Outcome.COMPLETED, value="null", keep=REMOVED)]
            of.running.pop(job, None)
            of.done += 1
        if worker is not None:
            tokens = [f"{worker.uid}:fake:{next(worker.tokens)}"]
        reply = await self._link.run(
            work(
                queue.keys,
                now=int(now * 1000),
                finishes=finishes,
                tokens=tokens,
                worker="" if worker is None else worker.name,
                instance="" if worker is None else worker.uid,
                metrics=METRICS_MINUTES,
            )
        )
        for claimed in reply.claimed:
            assert worker is not None
            queue.waiting -= 1
            worker.running[claimed.job.id] = now
            worker.first_claim = worker.first_claim or now
            self._at(now + JOB_SECONDS, self._work(queue, (worker, claimed.job.id, claimed.token)))

    async def _beat(self, worker: Worker) -> None:
        now = time.time()
        if worker.uid not in worker.queue.workers:
            return
        self._at(now + BEAT_SECONDS, self._beat(worker))
        told = await self._link.run(beat(worker.queue.keys, heartbeat=worker.heartbeat(now)))
        worker.marked = told.marked_seconds > 0
        if worker.queue.waiting:
            await self._work(worker.queue, None)

    async def _leave(self, worker: Worker) -> None:
        await self._link.run(forget(worker.queue.keys, instance=worker.uid))


async def run(redis_url: str, kubeconfig: Path, namespace: str) -> None:
    async with Link(RedisLocation.parse(redis_url), name="bullpen-load") as link, transport(kubeconfig) as opened:
        load = Load(link)

        async def pods() -> None:
            async for gone, raw in events(opened, "pods", namespace):
                metadata = raw["metadata"]
                number = number_of((metadata.get("labels") or {}).get(POOL_LABEL, ""))
                if number is None:
                    continue
                if gone or metadata.get("deletionTimestamp"):
                    load.vanished(number, metadata["uid"])
                elif (raw.get("status") or {}).get("phase") == "Running":
                    load.appeared(number, metadata["name"], metadata["uid"])

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(load.run()), group.create_task(pods())]
            while line := await asyncio.to_thread(sys.stdin.readline):
                load.feed(int(line))
            for task in tasks:
                task.cancel()
        load.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis-url", required=True)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    options = parser.parse_args()
    asyncio.run(run(options.redis_url, options.kubeconfig, options.namespace))


if __name__ == "__main__":
    main()
