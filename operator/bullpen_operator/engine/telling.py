"""What is told of a pool: its status when that is due, and the Events that follow from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bullpen_operator.api.pool import Metadata
from bullpen_operator.cluster.deployment import fleet_of
from bullpen_operator.engine.announce import changed, misread
from bullpen_operator.engine.conditions import held
from bullpen_operator.engine.misread import misread_status
from bullpen_operator.engine.status import status_of, timestamp, urgent, write_due
from bullpen_operator.engine.view import View
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.cluster.port import Raw
    from bullpen_operator.cluster.recorder import Recorder
    from bullpen_operator.engine.cache import Cache
    from bullpen_operator.engine.execute import Executor
    from bullpen_operator.engine.track import Track
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import ReadingFailed

    Observed = QueueReading | ReadingFailed
    Write = Coroutine[Any, Any, None]

LOOK_AGAIN_SECONDS = 60.0
"""A status is built at least this often, changed or not: a number that may be written once a minute is then due."""


class Telling:
    """Builds statuses, and gives the writes that are due as coroutines. `known(track, pool)`: whether the pool is still
    there; of one that was deleted meanwhile nothing more is told.
    """

    def __init__(
        self,
        *,
        cache: Cache,
        executor: Executor,
        recorder: Recorder,
        clock: Callable[[], float],
        known: Callable[[Track, Metadata], bool],
    ) -> None:
        self._cache = cache
        self._executor = executor
        self._recorder = recorder
        self._clock = clock
        self._known = known

    def due(
        self,
        track: Track,
        pool: WorkerPool,
        observed: Observed,
        decision: Decision,
        now: float,
        *,
        crowded: Callable[[], bool],
    ) -> Write | None:
        """The write of the status in this turn, if something is to be told; `crowded`: whether that must wait."""
        view = self._view(track, pool, observed, decision, now)
        # How many run jobs just now, and with how much CPU, changes each tick and is never urgent.
        fleet = replace(view.fleet, busy=None, drained=None, cpu_use=None)
        missed = view.promise.missed(pool.spec.scaling.wait_objective)
        seen = (fleet, view.applied, view.obstacle, view.sharing, missed)
        basis = (track.version, _facts(observed), _outcome(decision), *seen)
        if basis == track.shown and 0 <= now - track.shown_at < LOOK_AGAIN_SECONDS:
            return None
        if crowded():
            return None
        status = self._executor.writable(status_of(view))
        if _due(track, pool, status, now):
            return self._show(track, pool, status)
        if not held(view):
            track.shown, track.shown_at = basis, now
        return None

    async def after_write(
        self, track: Track, pool: WorkerPool, observed: Observed, decision: Decision, *, made: bool, now: float
    ) -> None:
        """Write the status that follows from a write of the Deployment; `made`: it did not exist before."""
        status = self._executor.writable(status_of(self._view(track, pool, observed, decision, now)))
        # After a Deployment was made always: the answer tells whether the pool still exists. One whose end the
        # watch missed would make it again and again, and the garbage collector take it away.
        if made or _due(track, pool, status, now):
            await self._show(track, pool, status)

    def misread(self, track: Track, raw: Raw) -> Write | None:
        """The write of the status of a pool that is not understood, if that is not told yet."""
        now, going = self._clock(), raw["metadata"].get("deletionTimestamp")
        if track.writing or going or track.misread is None or not track.status_pause.open(now):
            return None
        status = misread_status(raw, message=track.misread, time=timestamp(now))
        if status == raw.get("status"):
            return None
        return self._write_misread(track, Metadata.model_validate(raw["metadata"]), status, track.misread)

    async def _write_misread(self, track: Track, pool: Metadata, status: Raw, message: str) -> None:
        if await self._executor.write_status(track, pool, status) and self._known(track, pool):
            self._recorder.record(misread(pool, message), now=self._clock())

    async def _show(self, track: Track, pool: WorkerPool, status: Raw) -> None:
        if await self._executor.write_status(track, pool.metadata, status):
            now = self._clock()
            track.status_written_at = now
            if not urgent(pool.status, status):
                track.status_refreshed_at = now
            if not self._known(track, pool.metadata):
                return
            for notice in changed(pool, pool.status, status):
                self._recorder.record(notice, now=now)

    def _view(self, track: Track, pool: WorkerPool, observed: Observed, decision: Decision, now: float) -> View:
        raw = self._cache.pool(pool.metadata.uid)
        fleet = track.draining.on(fleet_of(self._cache.deployment(raw) if raw is not None else None))
        if raw is not None:
            fleet = replace(fleet, trouble=self._cache.trouble(raw))
        return View(
            pool=pool,
            fleet=fleet,
            reading=observed,
            applied=not track.unsettled,
            obstacle=track.obstacle,
            decision=decision,
            now=now,
            sharing=track.sharing,
            promise=track.starts.promise(observed, promised=pool.spec.scaling.wait_objective.seconds),
        )


def _due(track: Track, pool: WorkerPool, status: Raw, now: float) -> bool:
    return write_due(
        before=pool.status,
        after=status,
        written_at=track.status_written_at,
        refreshed_at=track.status_refreshed_at,
        now=now,
    )


def _facts(observed: Observed) -> object:
    """What an observation says apart from when: a wait that merely grows is no news."""
    if not isinstance(observed, QueueReading):
        return observed.reason, observed.message
    return (
        observed.exists,
        observed.paused,
        observed.waiting,
        observed.due,
        observed.active,
        observed.delayed,
        observed.failed,
        observed.completed,
        observed.next_due_at,
        observed.global_concurrency,
    )


def _outcome(decision: Decision) -> object:
    return decision.from_, decision.to, decision.reason, decision.limited_by
