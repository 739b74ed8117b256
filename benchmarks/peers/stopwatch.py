"""What each peer runs for a job, and how a run is timed from inside the worker.

From its first tenth of jobs to the last. Standard library only: it is imported in the environments of all peers.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import threading
import time

KIND = os.environ.get("BENCH_KIND", "noop")
SLOTS = int(os.environ.get("BENCH_SLOTS", "1"))
JOBS = int(os.environ.get("BENCH_JOBS", "1"))
REDIS_URL = os.environ.get("REDIS_URL", "")
FILLS = os.environ.get("BENCH_ROLE") == "fill"
IO_SECONDS = 0.05
CPU_STEPS = 300_000


def burn() -> int:
    """A CPU job: some 15 ms of nothing but the interpreter."""
    total = 0
    for number in range(CPU_STEPS):
        total += number & 7
    return total


class Stopwatch:
    """Told of every job; says the result as one line of JSON when the last one ends."""

    def __init__(self) -> None:
        self._warm = max(1, JOBS // 10)
        self._seen = itertools.count(1)  # one step of the interpreter, so that threads may share it
        self._waits: list[float] = []
        self._started = self._cpu = 0.0
        self.done = threading.Event()

    async def job(self, added: float) -> None:
        """A job on an event loop; `added` is when its producer sent it, in epoch seconds."""
        arrived = time.time()
        if KIND == "io":
            await asyncio.sleep(IO_SECONDS)
        self.lap(arrived - added)

    def job_in_thread(self, added: float) -> None:
        arrived = time.time()
        if KIND == "io":
            time.sleep(IO_SECONDS)
        self.lap(arrived - added)

    def lap(self, wait: float) -> bool:
        """Count a job that ended; True at the last one."""
        seen = next(self._seen)
        if KIND == "latency":
            self._waits.append(wait)
        if seen == self._warm:
            self._started, self._cpu = time.perf_counter(), time.process_time()
        if seen != JOBS:
            return False
        self._say()
        self.done.set()
        return True

    def _say(self) -> None:
        counted = JOBS - self._warm
        result = {
            "rate": counted / max(1e-9, time.perf_counter() - self._started),
            "cpu": (time.process_time() - self._cpu) / counted * 1000,
            "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "waits": sorted(self._waits[self._warm :]),
        }
        print(json.dumps(result), flush=True)
