"""One run of one peer: a queue that is filled, a worker that empties it, and what it says of itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO

from peer_environments import NODE_MODULES, PEERS, Peer

from bullpen.client.connection import Link
from bullpen.protocol import Call, QueueKeys
from bullpen.protocol.calls import add, read
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.replies import Added

KEYS = QueueKeys("bull", "bench")
RUN_SECONDS = 120
END_SECONDS = 20
LATENCY_GAP = 0.015  # seconds between two jobs for a worker that is to be idle meanwhile


class RunFailed(Exception):
    """A peer ended without a result."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker measured: jobs/s, CPU seconds for 1,000 jobs, MB, and the sorted waits in seconds."""

    rate: float
    cpu: float
    rss: float
    waits: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """The server: `port` is where it is, `near` where the benchmark itself reaches it without a delay."""

    port: int
    near: int

    def run(self, peer: Peer, *, kind: str, slots: int, jobs: int) -> Result:
        """Fill the queue, let the peer empty it. Raises RunFailed."""
        env = self._environment(kind=kind, slots=slots, jobs=jobs)
        asyncio.run(self.empty())
        if kind != "latency":
            self._fill(peer, env, jobs)
        with _started(peer, slots, env) as worker:
            assert worker.stdout is not None
            if kind == "latency":
                asyncio.run(self._drip(jobs))
            try:
                result = _result(worker.stdout)
            finally:
                _end(worker)
        if result is None:
            raise RunFailed(f"{peer.name}, {kind} at {slots} slots: ended with {worker.returncode} and no result")
        if peer.bullmq and (count := asyncio.run(self.completed())) < jobs - slots:
            raise RunFailed(f"{peer.name}, {kind} at {slots} slots: {count} of {jobs} jobs are completed")
        return result

    def share(self, peer: Peer, *, workers: int, slots: int, jobs: int) -> float:
        """Microseconds of Redis's CPU a no-op job while several workers of a peer empty one queue."""
        env = self._environment(kind="noop", slots=slots, jobs=10 * jobs)  # none of them gets to its last one
        asyncio.run(self.empty())
        self._fill(peer, env, jobs)
        started = [_started(peer, slots, env) for _ in range(workers)]
        try:
            return asyncio.run(self._cost(started, jobs))
        finally:
            for each in started:
                _end(each)
                each.wait()

    def burn(self, peer: Peer, *, slots: int, jobs: int) -> float:
        """CPU jobs a second over all cores, timed from the first tenth to the last."""
        env = self._environment(kind="cpu", slots=slots, jobs=jobs)
        asyncio.run(self.empty())
        self._fill(peer, env, jobs)
        with _started(peer, slots, env) as worker:
            try:
                return asyncio.run(self._rate(worker, jobs))
            finally:
                _end(worker)

    async def empty(self) -> None:
        async with self._link() as link:
            await link.run(Call(command=("FLUSHALL",), parse=bytes))

    async def completed(self) -> int:
        """How many jobs Redis has as completed."""
        async with self._link() as link:
            return (await link.run(read.counts(KEYS))).completed

    def _link(self) -> Link:
        return Link(RedisLocation.parse(f"redis://127.0.0.1:{self.near}"))

    def _environment(self, **settings: object) -> dict[str, str]:
        return os.environ | {
            "REDIS_URL": f"redis://127.0.0.1:{self.port}",
            "BENCH_NODE_MODULES": str(NODE_MODULES),
            "PYTHONPATH": str(PEERS),
            **{f"BENCH_{name.upper()}": str(value) for name, value in settings.items()},
        }

    def _fill(self, peer: Peer, env: dict[str, str], jobs: int) -> None:
        if peer.bullmq:
            asyncio.run(self._add(jobs))
            return
        filling = env | {"BENCH_ROLE": "fill", "BENCH_JOBS": str(jobs), "REDIS_URL": f"redis://127.0.0.1:{self.near}"}
        if code := subprocess.run(peer.command(slots=1), env=filling, timeout=RUN_SECONDS, check=False).returncode:
            raise RunFailed(f"{peer.name}: its producer ended with {code}")

    async def _add(self, jobs: int) -> None:
        async with self._link() as link:
            for start in range(0, jobs, 1000):
                await asyncio.gather(*(link.run(_job()) for _ in range(min(1000, jobs - start))))

    async def _drip(self, jobs: int) -> None:
        """One job after the other, to a worker that waits: so the first are for its start."""
        async with self._link() as link:
            await link.run(_job())
            while (await link.run(read.counts(KEYS))).completed == 0:
                await asyncio.sleep(0.05)
            for _ in range(jobs - 1):
                await asyncio.sleep(LATENCY_GAP)
                await link.run(_job())

    async def _cost(self, workers: list[subprocess.Popen[str]], jobs: int) -> float:
        async with self._link() as link:
            begun: tuple[int, float] | None = None
            deadline = time.monotonic() + RUN_SECONDS
            while time.monotonic() < deadline and all(each.poll() is None for each in workers):
                done = (await link.run(read.counts(KEYS))).completed
                used = await link.run(Call(command=("INFO", "cpu"), parse=_cpu))
                if begun is None and done >= jobs // 10:
                    begun = (done, used)
                if begun is not None and done >= jobs * 9 // 10:
                    return (used - begun[1]) / (done - begun[0]) * 1e6
                await asyncio.sleep(0.02)
        raise RunFailed(f"a worker ended, or {jobs} jobs were not done in {RUN_SECONDS} s")

    async def _rate(self, worker: subprocess.Popen[str], jobs: int) -> float:
        async with self._link() as link:
            begun: tuple[int, float] | None = None
            deadline = time.monotonic() + RUN_SECONDS
            while time.monotonic() < deadline and worker.poll() is None:
                done = (await link.run(read.counts(KEYS))).completed
                if begun is None and done >= jobs // 10:
                    begun = (done, time.perf_counter())
                if begun is not None and done >= jobs:
                    return (done - begun[0]) / (time.perf_counter() - begun[1])
                await asyncio.sleep(0.005)
        raise RunFailed("this worker has no process jobs, or did not end them")


def plain_rate(jobs: int) -> float:
    """CPU jobs a second of as many plain processes as there are cores: the ideal, to be taken before and after."""
    cores = len(os.sched_getaffinity(0))
    program = f"import stopwatch\nfor _ in range({jobs // cores}): stopwatch.burn()"
    begun = time.perf_counter()
    running = [subprocess.Popen([sys.executable, "-c", program], cwd=PEERS) for _ in range(cores)]
    for each in running:
        each.wait(RUN_SECONDS)
    return jobs // cores * cores / (time.perf_counter() - begun)


def _job() -> Call[Added]:
    now = time.time()
    return add.add(KEYS, name="job", data=json.dumps({"at": now}), now=int(now * 1000))


def _cpu(reply: bytes) -> float:
    """Seconds that Redis's main thread has used."""
    fields = dict(line.split(":", 1) for line in reply.decode().split() if ":" in line)
    return float(fields["used_cpu_sys_main_thread"]) + float(fields["used_cpu_user_main_thread"])


def _started(peer: Peer, slots: int, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(peer.command(slots=slots), env=env, stdout=subprocess.PIPE, text=True, cwd=PEERS)


def _result(lines: IO[str]) -> Result | None:
    for line in lines:
        if line.startswith("{"):
            fields = json.loads(line)
            return Result(fields["rate"], fields["cpu"], fields["rss"], tuple(fields["waits"]))
    return None


def _end(worker: subprocess.Popen[str]) -> None:
    """Ask it to end if it does not by itself; then make it."""
    for number, patience in ((None, 2), (signal.SIGTERM, END_SECONDS), (signal.SIGKILL, END_SECONDS)):
        if number is not None:
            worker.send_signal(number)
        try:
            worker.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return
