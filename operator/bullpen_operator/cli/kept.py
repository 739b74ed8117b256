"""What a queue in Redis still knows of its past: kept jobs, and the events of those that were removed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bullpen.errors import WrongState
from bullpen.protocol import events
from bullpen.protocol.calls import history, look, read
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.replies import JobState
from bullpen_operator.simulation.history import History, Run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.cli.target import Desk
    from bullpen.client.connection import Link
    from bullpen.protocol.events import Event

MOST_JOBS: Final = 20_000
"""Read unless another number is asked for; some seconds, most of them in this process."""
_AT_ONCE: Final = 1000
_EVENTS_EACH: Final = 5
"""Events of a job that runs once: added, waiting, active, completed; and one to spare."""
_MOST_EVENTS: Final = 100_000


async def kept_history(desk: Desk, queue: str, *, jobs: int = MOST_JOBS) -> History:
    """The newest jobs that ended, at most `jobs`. Raises WrongState when there is no such queue, or no such job."""
    await desk.queue(queue)
    link, keys = await desk.app.link([queue]), QueueKeys(desk.app.prefix, queue)
    wanted = min(_EVENTS_EACH * jobs, _MOST_EVENTS)
    found, seen, given = await asyncio.gather(
        link.run(read.counts(keys)),
        link.run(events.recent(keys, since_ms=0, count=wanted)),
        link.run(history.ids_given(keys)),
    )
    story = Story.of(seen)
    completed, failed = [
        {job_id: story.improved(job_id, run) for job_id, run in (await _kept(link, keys, state, jobs=jobs)).items()}
        for state in (JobState.COMPLETED, JobState.FAILED)
    ]
    removed = {job: run for job, run in story.runs().items() if job not in completed and job not in failed}
    runs = {**completed, **failed, **removed}
    if not runs:
        raise WrongState(_nothing(queue))
    unfinished = (
        found.waiting + found.paused + found.prioritized + found.delayed + found.active + found.waiting_children
    )
    whole = len(runs) + unfinished >= given and len(runs) >= found.completed + found.failed
    # Where most jobs are from decides: a few failures are kept for months beside the completed jobs of an hour.
    most = max((completed, failed, removed), key=len)
    known_from = min((run.started or run.ready) + run.seconds for run in most.values())
    newest = dict(sorted(runs.items(), key=lambda item: item[1].ready)[-jobs:])
    notes = list(_notes(unfinished, whole=whole))
    return History.of(queue, newest.values(), whole_from=None if whole else known_from, notes=notes)


def _nothing(queue: str) -> str:
    return (
        f"queue {queue!r} keeps no job that ended, and its events tell of none: let some be kept "
        "(removeOnComplete: {count: 10000}), or give what you have with --csv"
    )


def _notes(unfinished: int, *, whole: bool) -> Iterable[str]:
    if not whole:
        yield "older jobs are not kept or were not read, so it begins where those that are known end"
    if unfinished:
        yield f"{unfinished:,} jobs have not ended yet and are not in it"


async def _kept(link: Link, keys: QueueKeys, state: JobState, *, jobs: int) -> dict[str, Run]:
    """Those that ended last, by id."""
    ids = await link.run(look.page(keys, state=state, start=0, end=jobs - 1, oldest_first=False))
    found = dict[str, Run]()
    for first in range(0, len(ids), _AT_ONCE):
        part = ids[first : first + _AT_ONCE]
        for job_id, times in zip(
            part, await asyncio.gather(*(link.run(history.times(keys, job_id=job_id)) for job_id in part)), strict=True
        ):
            if times is not None:
                found[job_id] = Run(
                    ready=times.ready_ms / 1000,
                    started=times.started_ms / 1000,
                    seconds=(times.ended_ms - times.started_ms) / 1000,
                )
    return found


@dataclass(slots=True)
class Story:
    """What the stream of events tells of each job, which may have been removed since; seconds since the epoch."""

    ready: dict[str, float] = field(default_factory=dict)
    """When it last came to wait."""
    started: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, newest_first: Iterable[Event]) -> Story:
        """Of the last attempt of each job."""
        told = cls()
        for event in newest_first:
            job, at = event.job_id, event.at_ms / 1000
            if job is None:
                continue
            if event.kind in ("completed", "failed"):
                told.ended.setdefault(job, at)
            elif event.kind == "active":
                told.started.setdefault(job, at)
            elif event.kind in ("waiting", "added") and job in told.started:
                told.ready.setdefault(job, at)
        return told

    def runs(self) -> dict[str, Run]:
        """Jobs of which the whole last attempt was told."""
        return {
            job: Run(ready=self.ready[job], started=self.started[job], seconds=ended - self.started[job])
            for job, ended in self.ended.items()
            if job in self.ready and self.ready[job] <= self.started[job] <= ended
        }

    def improved(self, job: str, run: Run) -> Run:
        """What a record cannot tell: when a job came to wait after its children, a delay or another attempt."""
        ready = self.ready.get(job)
        if ready is None or run.started is None or not run.ready < ready <= run.started:
            return run
        return Run(ready=ready, started=run.started, seconds=run.seconds)
