"""What the ledger pod wrote down, and what follows from it.

The ledger is outside Redis and outside the workers: it stamps each start and each end of a job when it hears of it. So
it can tell what Redis cannot: whether a job was cut off in the middle.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: `event` is start or end, `at` is in epoch seconds by the ledger's clock."""

    event: str
    queue: str
    job: str
    attempt: int
    pod: str
    at: float


@dataclass(frozen=True, slots=True)
class Account:
    """What happened to the jobs. Times in seconds."""

    starts: Mapping[str, int]
    ended: frozenset[str]
    interrupted: tuple[Entry, ...]
    first_start: Mapping[str, float]
    last_end: float

    def worst_wait(self, added: Mapping[str, float]) -> float:
        """The longest time from a job's addition (id → epoch seconds) to its first start; 0 with no jobs."""
        return max((self.first_start[job] - at for job, at in added.items() if job in self.first_start), default=0.0)


def parse(lines: Iterable[str]) -> list[Entry]:
    """Entries of a ledger's output, oldest first; lines that are no JSON objects are left out."""
    entries = []
    for line in lines:
        if line.startswith("{"):
            fields = json.loads(line)
            entries.append(
                Entry(
                    fields["event"],
                    fields["queue"],
                    fields["job"],
                    fields["attempt"],
                    fields["pod"],
                    fields["at"],
                )
            )
    return entries


def account(entries: Iterable[Entry]) -> Account:
    """Sum up one queue's entries: a start is interrupted when the same pod never ended the same attempt of that job."""
    starts: Counter[str] = Counter()
    first: dict[str, float] = {}
    open_starts: dict[tuple[str, int, str], list[Entry]] = {}
    ended: set[str] = set()
    last_end = 0.0
    for entry in entries:
        key = (entry.job, entry.attempt, entry.pod)
        if entry.event == "start":
            starts[entry.job] += 1
            first.setdefault(entry.job, entry.at)
            open_starts.setdefault(key, []).append(entry)
        else:
            ended.add(entry.job)
            last_end = entry.at
            if open_starts.get(key):
                open_starts[key].pop()
    interrupted = tuple(entry for left in open_starts.values() for entry in left)
    return Account(dict(starts), frozenset(ended), interrupted, first, last_end)
