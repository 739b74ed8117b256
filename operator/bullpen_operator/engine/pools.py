"""One turn of one pool: observe → plan → execute → status and Events.

Deciding is done on the spot; writing is handed to a task of the pool's own, so that an API server that is slow for one
pool holds up nobody. While that task runs, the pool is only measured.
"""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bullpen_operator.api.pool import Metadata, WorkerPool
from bullpen_operator.cluster.deployment import fleet_of
from bullpen_operator.engine.announce import changed, misread, scaled, unguarded
from bullpen_operator.engine.conditions import held
from bullpen_operator.engine.drain import NO_ORDERS, Orders
from bullpen_operator.engine.guard import Guard, Unguard, guard
from bullpen_operator.engine.misread import misread_status
from bullpen_operator.engine.queue_conditions import late
from bullpen_operator.engine.status import status_of, timestamp, urgent, write_due
from bullpen_operator.engine.track import Track
from bullpen_operator.engine.turn import Apply, Refused, Scale, effect
from bullpen_operator.engine.view import View
from bullpen_operator.scaling.observation import HORIZONS, QueueReading
from bullpen_operator.scaling.plan import Rules, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from bullpen_operator.cluster.port import Raw
    from bullpen_operator.cluster.recorder import Recorder
    from bullpen_operator.engine.cache import Cache
    from bullpen_operator.engine.execute import Executor
    from bullpen_operator.engine.meter import Meter
    from bullpen_operator.scaling.decision import Decision, Memory
    from bullpen_operator.scaling.observation import Fleet, ReadingFailed

    Observed = QueueReading | ReadingFailed

log = logging.getLogger(__name__)

REST_SECONDS = 5.0
"""Between the turns of a pool that rests, jittered down to 3.5, so that those of many fall on different ticks."""

LOOK_AGAIN_SECONDS = 60.0
"""A status is built at least this often, changed or not: a number that may be written once a minute is then due."""


class Pools:
    """Every pool's turn. `spawn` starts a write task and owns it; `clock` is in seconds since the epoch."""

    def __init__(
        self,
        *,
        cache: Cache,
        executor: Executor,
        recorder: Recorder,
        meter: Meter,
        clock: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._cache = cache
        self._executor = executor
        self._recorder = recorder
        self._meter = meter
        self._clock = clock
        self._spawn = spawn
        self._tracks: dict[str, Track] = {}

    def forget(self, raw: Raw) -> None:
        """The pool was deleted. Its Deployment goes by its owner reference, its queue is nobody's business here."""
        metadata = raw["metadata"]
        self._tracks.pop(metadata["uid"], None)
        self._recorder.forget(metadata["uid"])
        self._meter.pool_gone(metadata["namespace"], metadata["name"])

    def current(self) -> Iterator[tuple[str, WorkerPool]]:
        """The pools to take turns with, by uid: those that are understood and not being deleted."""
        for raw in list(self._cache.pools()):
            uid = raw["metadata"]["uid"]
            track = self._tracks.setdefault(uid, Track())
            _read(track, raw)
            if track.pool is None:
                self._tell_misread(track, raw)
            elif track.pool.metadata.deletion_timestamp is None:
                yield uid, track.pool

    def _tell_misread(self, track: Track, raw: Raw) -> None:
        now, going = self._clock(), raw["metadata"].get("deletionTimestamp")
        if track.writing or going or track.misread is None or not track.status_pause.open(now):
            return
        status = misread_status(raw, message=track.misread, time=timestamp(now))
        if status != raw.get("status"):
            metadata = Metadata.model_validate(raw["metadata"])
            self._start(track, self._write_misread(track, metadata, status, track.misread))

    async def _write_misread(self, track: Track, pool: Metadata, status: Raw, message: str) -> None:
        if await self._executor.write_status(track, pool, status) and self._known(track, pool):
            self._recorder.record(misread(pool, message), now=self._clock())

    def resting(self, uid: str) -> bool:
        """Whether nothing is lost when the pool has no turn now, provided that the doorbell tells of new jobs."""
        track = self._tracks.get(uid)
        if track is None or self._cache.is_dirty(uid):
            return False
        return track.turned_at <= self._clock() < track.rests_until

    def at_zero(self, uid: str) -> bool:
        """Whether the pool asks for no pods."""
        raw = self._cache.pool(uid)
        return raw is not None and fleet_of(self._cache.deployment(raw)).replicas == 0

    def take_turn(
        self, uid: str, observed: Observed, *, asked: WorkerPool | None = None, sharing: tuple[str, ...] = ()
    ) -> Orders:
        """Decide for one pool, and start what is to be written to Kubernetes; the drain marks to write to its Redis are
        returned. One that is gone, going or unreadable has no turn.

        `asked` is the pool as it was when its queue was asked: one that serves another queue by now waits for that
        one's answer. `sharing`: the other pools that serve the same queue, as namespace/name.
        """
        track, raw = self._tracks.get(uid), self._cache.pool(uid)
        if track is None or raw is None:
            return NO_ORDERS
        try:
            _read(track, raw)
            track.sharing = sharing
            if track.pool is None or (asked is not None and _served(asked) != _served(track.pool)):
                return NO_ORDERS
            if track.pool.metadata.deletion_timestamp is None:
                self._turn(track, track.pool, raw, observed)
                return track.draining.orders if self._executor.writes else NO_ORDERS
        except Exception:
            # A bulkhead: what goes wrong with one pool must not stop the others' turns. Counted, so that it is seen.
            self._meter.failed_turn()
            log.exception("turn failed", extra={"pool": raw["metadata"]["name"]})
        return NO_ORDERS

    def _turn(self, track: Track, pool: WorkerPool, raw: Raw, observed: Observed) -> None:
        now, track.rests_until = self._clock(), 0.0
        seen = self._cache.deployment(raw)
        track.draining.observe(pool, self._cache.pods(raw), observed, scaler=self._cache.scaler(raw), now=now)
        fleet = track.draining.on(fleet_of(seen))
        decision = plan(rules=Rules.of(pool.spec), reading=observed, fleet=fleet, memory=track.memory, now=now)
        reading = observed if isinstance(observed, QueueReading) else None
        self._meter.pool_seen(pool, reading=reading, fleet=fleet, decision=decision)
        if reading is not None and reading.at_rest:
            track.rested_at = now
        elif not decision.changes:  # unread, or work that a pin or a pause leaves alone
            track.rested_at = None
        orders = track.draining.decide(pool, fleet, decision, writing=track.writing, now=now)
        if self._executor.writes:
            for notice in track.draining.notices(pool, observed, now=now):
                self._recorder.record(notice, now=now)
        if track.writing:
            track.missed = observed
            return
        track.missed = None
        if not decision.changes:
            track.memory = decision.memory
        if self._cache.take_dirty(pool.metadata.uid):
            track.unsettled = track.unguarded = True
        wanted = self._wanted(track, pool, seen, decision, now)
        if wanted is not None:
            self._start(track, self._write(track, pool, wanted, observed, decision))
        elif (guarding := self._guarding(track, pool, raw, fleet, now)) is not None:
            self._start(track, self._guard(track, pool, guarding))
        elif orders.annotate and track.pod_pause.open(now):
            self._start(track, self._executor.annotate(track, pool, orders.annotate))
        elif track.status_pause.open(now) and (not decision.changes or track.obstacle is not None):
            # A number that waits for its turn is shown once it was taken, or once something stands in its way.
            self._show_if_changed(track, pool, observed, decision, now)
            _let_rest(track, observed, fleet, decision, now)

    def _guarding(self, track: Track, pool: WorkerPool, raw: Raw, fleet: Fleet, now: float) -> Guard | Unguard | None:
        """The write of the PodDisruptionBudget to try in this turn."""
        if not track.unguarded or not track.guard_pause.open(now):
            return None
        wanted = guard(pool, seen=self._cache.budget(raw), replicas=fleet.replicas)
        track.unguarded = wanted is not None
        return wanted

    async def _guard(self, track: Track, pool: WorkerPool, wanted: Guard | Unguard) -> None:
        trouble = await self._executor.guard(track, pool, wanted)
        if trouble is not None and self._known(track, pool.metadata):
            self._recorder.record(unguarded(pool, trouble), now=self._clock())

    def _show_if_changed(
        self, track: Track, pool: WorkerPool, observed: Observed, decision: Decision, now: float
    ) -> None:
        view = self._view(track, pool, observed, decision, now)
        # How many run jobs just now, and with how much CPU, changes each tick and is never urgent.
        fleet = replace(view.fleet, busy=None, drained=None, cpu_use=None)
        seen = (fleet, view.applied, view.obstacle, view.sharing, late(pool, observed))
        basis = (track.version, facts(observed), outcome(decision), *seen)
        if basis == track.shown and 0 <= now - track.shown_at < LOOK_AGAIN_SECONDS:
            return
        status = self._executor.writable(status_of(view))
        if _due(track, pool, status, now):
            self._start(track, self._show(track, pool, status))
        elif not held(view):
            track.shown, track.shown_at = basis, now

    def _wanted(
        self, track: Track, pool: WorkerPool, seen: Raw | None, decision: Decision, now: float
    ) -> Apply | Scale | None:
        """The write to try in this turn, as far as the pauses after failures allow it."""
        if not track.unsettled and not decision.changes:
            return None
        wanted = effect(pool, seen=seen, decision=decision, tolerated=track.tolerated)
        if isinstance(wanted, Apply):
            if track.apply_generation != pool.metadata.generation:
                track.apply_generation = pool.metadata.generation
                track.apply_pause.succeeded()
                track.repair_pause.succeeded()
            makes = wanted.resource_version is None
            if track.apply_pause.open(now) and (makes or track.repair_pause.open(now)):
                return wanted
            wanted = wanted.scale
        elif isinstance(wanted, Refused):
            track.obstacle, wanted = wanted.obstacle, wanted.scale
        else:
            track.unsettled, track.obstacle = False, None
        return wanted if wanted is not None and track.scale_pause.open(now) else None

    def _start(self, track: Track, write: Coroutine[Any, Any, None]) -> None:
        track.writing = True
        self._spawn(self._bounded(track, write))

    async def _bounded(self, track: Track, write: Coroutine[Any, Any, None]) -> None:
        try:
            await write
        except Exception:
            self._meter.failed_turn()  # the same bulkhead as in take_turn
            log.exception("write failed", extra={"pool": track.pool.metadata.name if track.pool else None})
        finally:
            track.writing = False
        if track.missed is not None and track.pool is not None:
            # Who was rung for meanwhile is not rung for again.
            self.take_turn(track.pool.metadata.uid, track.missed)

    async def _write(
        self, track: Track, pool: WorkerPool, wanted: Apply | Scale, observed: Observed, decision: Decision
    ) -> None:
        """Carry out the effect; if it was taken, keep and tell the decision; then the status."""
        if decision.to < decision.from_:
            track.draining.shrinking(self._clock())
        if isinstance(wanted, Apply):
            taken = await self._executor.apply(track, pool, wanted)
        else:
            taken = await self._executor.scale(track, pool, wanted)
        now = self._clock()
        if not self._known(track, pool.metadata):
            return  # deleted meanwhile: what is kept of it now would be kept for ever
        if taken and decision.changes:
            track.memory = decision.memory
            self._meter.scaled(pool, decision)
            self._tell_wake(track, pool, observed, decision, now)
            self._recorder.record(scaled(pool, decision), now=now)
            if decision.to < decision.from_:
                for notice in track.draining.completed(pool, decision, now=now):
                    self._recorder.record(notice, now=now)
            log.info(decision.message, extra=_context(pool, decision))
        if taken or track.obstacle is not None:
            status = self._executor.writable(status_of(self._view(track, pool, observed, decision, now)))
            made = taken and isinstance(wanted, Apply) and wanted.resource_version is None
            # After a Deployment was made always: the answer tells whether the pool still exists. One whose end the
            # watch missed would make it again and again, and the garbage collector take it away.
            if made or _due(track, pool, status, now):
                await self._show(track, pool, status)

    def _tell_wake(self, track: Track, pool: WorkerPool, observed: Observed, decision: Decision, now: float) -> None:
        """How long the first job waited for this, unless something else than the operator's speed held it up."""
        waited = observed.oldest_wait_seconds if isinstance(observed, QueueReading) else None
        if decision.from_ == 0 and waited is not None and track.rested_at is not None:
            # Never more than since the queue was seen at rest, whatever clock the producer goes by.
            since = max(observed.at - waited, track.rested_at)
            self._meter.woken(pool, seconds=max(0.0, now - since))

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

    def _known(self, track: Track, pool: Metadata) -> bool:
        return self._tracks.get(pool.uid) is track

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
        )


def _due(track: Track, pool: WorkerPool, status: Raw, now: float) -> bool:
    return write_due(
        before=pool.status,
        after=status,
        written_at=track.status_written_at,
        refreshed_at=track.status_refreshed_at,
        now=now,
    )


def _let_rest(track: Track, observed: Observed, fleet: Fleet, decision: Decision, now: float) -> None:
    """A pool at zero with nothing to do and nothing to write, and no job due that pods may have to be started for."""
    if not isinstance(observed, QueueReading) or not observed.at_rest or not fleet.replicas == fleet.pods == 0:
        return
    due = observed.next_due_at
    soon = due is not None and due - now < HORIZONS[-1]
    if not (soon or track.writing or track.unsettled or track.unguarded or track.obstacle or decision.changes):
        track.turned_at, track.rests_until = now, now + REST_SECONDS * random.uniform(0.7, 1.0)


def _read(track: Track, raw: Raw) -> None:
    """Bring the track to the object's present version."""
    version = raw["metadata"]["resourceVersion"]
    if version == track.version:
        return
    track.version = version
    before = track.pool
    try:
        track.pool, track.misread = WorkerPool.model_validate(raw), None
        if before is None:
            track.memory = remembered(track.memory, track.pool)
        elif _served(before) != _served(track.pool):
            track.memory = track.memory.of_another_queue()
    except ValidationError as error:
        track.pool = None
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        track.misread = (
            f"this version of the operator does not understand {where} ({first['msg']}): "
            "correct it, or bring the operator to the version of the CRD"
        )
        place = {"pool": raw["metadata"]["name"], "namespace": raw["metadata"]["namespace"]}
        log.error(track.misread, extra=place)  # noqa: TRY400 - the trace of a validation says nothing more


def remembered(memory: Memory, pool: WorkerPool) -> Memory:
    """With what an operator before this one learned of the same spec, as the status tells it, for a first guess."""
    seconds = pool.status.get("rates", {}).get("serviceSeconds")
    if seconds is None or pool.status.get("observedGeneration") != pool.metadata.generation:
        return memory
    return replace(memory, rates=replace(memory.rates, expected=seconds))


def _served(pool: WorkerPool) -> object:
    """What tells the pool's queue apart from others."""
    return pool.spec.redis, pool.spec.prefix, pool.spec.queue


def facts(observed: Observed) -> object:
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


def outcome(decision: Decision) -> object:
    return decision.from_, decision.to, decision.reason, decision.limited_by


def _context(pool: WorkerPool, decision: Decision) -> dict[str, Any]:
    return {
        "pool": pool.metadata.name,
        "namespace": pool.metadata.namespace,
        "queue": pool.spec.queue,
        "decision": {
            "from": decision.from_,
            "to": decision.to,
            "reason": decision.reason.value,
            "limitedBy": decision.limited_by.value if decision.limited_by is not None else None,
            **decision.inputs,
        },
    }
