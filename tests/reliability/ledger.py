"""What really ran, from the lines that the jobs wrote: starts, ends, and who was alive meanwhile."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Run:
    """One start of a job in one process; times of the machine's monotonic clock."""

    pid: int
    started_at: float
    ended_at: float | None = None


class Ledger:
    """Read once the load is over."""

    def __init__(self, path: Path, deaths: Mapping[int, float]) -> None:
        self.runs: dict[str, list[Run]] = defaultdict(list)
        self._deaths = deaths
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines:
            what, job, pid, at = line.split(" ")
            if what == "start":
                self.runs[job].append(Run(int(pid), float(at)))
            else:
                open_run = next(run for run in self.runs[job] if run.pid == int(pid) and run.ended_at is None)
                open_run.ended_at = float(at)

    def doubles(self) -> list[str]:
        """Jobs that were started while an earlier start of them still ran in a living process."""
        found = []
        for job, runs in self.runs.items():
            ordered = sorted(runs, key=lambda run: run.started_at)
            for earlier, later in itertools.pairwise(ordered):
                over = earlier.ended_at if earlier.ended_at is not None else self._deaths.get(earlier.pid)
                if over is None or over > later.started_at:
                    found.append(f"{job}: {ordered}")
        return found

    def waits_after_death(self) -> list[float]:
        """Seconds from the death of a process to the next start of each job it ran, sorted."""
        waits = []
        for runs in self.runs.values():
            ordered = sorted(runs, key=lambda run: run.started_at)
            for earlier, later in itertools.pairwise(ordered):
                if earlier.ended_at is None and earlier.pid in self._deaths:
                    waits.append(later.started_at - self._deaths[earlier.pid])
        return sorted(waits)

    def repeats(self, during: Sequence[tuple[float, float]]) -> tuple[list[str], list[str]]:
        """Jobs that were started again: those of which an earlier run met one of these times, and the others."""
        met: list[str] = []
        strange: list[str] = []
        for job, runs in self.more_than_once().items():
            earlier = sorted(runs, key=lambda run: run.started_at)[:-1]
            allowed = all(any(_meets(run, *each) for each in during) for run in earlier)
            (met if allowed else strange).append(f"{job}: {runs}")
        return met, strange

    def more_than_once(self) -> dict[str, list[Run]]:
        """Jobs with several starts, whatever for."""
        return {job: runs for job, runs in self.runs.items() if len(runs) > 1}


def _meets(run: Run, began: float, ended: float) -> bool:
    return run.started_at <= ended and (run.ended_at is None or run.ended_at >= began)
