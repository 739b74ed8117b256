"""Times a run from inside the worker: from its first tenth of jobs to the last."""

from __future__ import annotations

import json
import os
import resource
import time


class Stopwatch:
    """Told of every job; says the result as one line of JSON when the last one runs."""

    def __init__(self) -> None:
        self.jobs = int(os.environ["BENCH_JOBS"])
        self._warm = self.jobs // 10
        self._seen = 0
        self._started = self._cpu = 0.0

    def lap(self) -> bool:
        """Count a job; True at the last one."""
        self._seen += 1
        if self._seen == self._warm:
            self._started, self._cpu = time.perf_counter(), time.process_time()
        if self._seen != self.jobs:
            return False
        counted = self.jobs - self._warm
        rate = counted / (time.perf_counter() - self._started)
        cpu = (time.process_time() - self._cpu) / counted * 1000
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rate": rate, "cpu": cpu, "rss": rss}), flush=True)
        return True
