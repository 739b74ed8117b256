"""What is left to do in the queues that a test's worker serves, at one moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bullpen.testing.stage import due_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bullpen.protocol.keys import QueueKeys
    from bullpen.runtime.served import Served
    from bullpen.testing.door import Data

_SCHEDULED = b"repeat:"


@dataclass(slots=True)
class Backlog:
    """`running` and `ready` name jobs and their queues; times are epoch seconds."""

    running: list[str] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    due: float | None = None
    due_but_schedules: float | None = None

    @property
    def quiet(self) -> bool:
        """Whether nothing runs and nothing could be started."""
        return not self.running and not self.ready

    def next_due(self, *, schedules: bool) -> float | None:
        """When the next job may be started, with or without the runs of schedules; None when there is none."""
        return self.due if schedules else self.due_but_schedules

    def later(self, due: float, *, scheduled: bool = False) -> None:
        """Something becomes ready then."""
        self.due = due if self.due is None else min(self.due, due)
        if not scheduled:
            self.due_but_schedules = due if self.due_but_schedules is None else min(self.due_but_schedules, due)

    def __str__(self) -> str:
        parts = [
            f"{what} {', '.join(jobs[:3])}{f' and {len(jobs) - 3} more' if len(jobs) > 3 else ''}"
            for what, jobs in (("still running:", self.running), ("ready:", self.ready))
            if jobs
        ]
        return "; ".join(parts) or "nothing to do"


def backlog(
    client: Data, served: Sequence[Served], queues: Sequence[QueueKeys], limited: Mapping[str, float]
) -> Backlog:
    """Look at the queues; `limited` has for each the seconds for which its worker starts nothing."""
    found = Backlog()
    for each, keys in zip(served, queues, strict=True):
        found.running += _named(client, keys, client.lrange(keys.active, 0, -1))
        ready = _ready(client, keys)
        pause = max(limited.get(keys.queue, 0.0), _limit_seconds(client, each, keys))
        if ready and pause > 0:
            found.later(time.time() + pause)
        else:
            found.ready += ready
        _look_ahead(client, keys, found)
    return found


def _ready(client: Data, keys: QueueKeys) -> list[str]:
    if client.hexists(keys.meta, "paused"):
        return []
    return _named(client, keys, [*client.lrange(keys.wait, 0, -1), *client.zrange(keys.prioritized, 0, -1)])


def _limit_seconds(client: Data, served: Served, keys: QueueKeys) -> float:
    """For how long the queue's rate limit lets nothing be started."""
    stored = client.hget(keys.meta, "max")
    limiter = served.rules.limiter
    most = int(stored) if stored else limiter.max if limiter is not None else None
    if most is None or int(client.get(keys.limiter) or 0) < most:
        return 0.0
    left_ms: int = client.pttl(keys.limiter)
    return max(0, left_ms) / 1000


def _look_ahead(client: Data, keys: QueueKeys, found: Backlog) -> None:
    own = False
    for job_id, score in client.zrange(keys.delayed, 0, -1, withscores=True):
        due, scheduled = due_seconds(score), job_id.startswith(_SCHEDULED)
        if due <= time.time():
            found.ready += [] if client.hexists(keys.meta, "paused") else _named(client, keys, [job_id])
            continue
        found.later(due, scheduled=scheduled)
        own = own or not scheduled
        if own:  # the rest is due later
            return


def _named(client: Data, keys: QueueKeys, ids: Sequence[bytes]) -> list[str]:
    return [
        f"job {job_id.decode()} ({(client.hget(keys.job(job_id.decode()), 'name') or b'?').decode()}) of {keys.queue}"
        for job_id in ids
    ]
