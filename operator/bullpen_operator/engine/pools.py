"""One turn of one pool: observe → plan → execute → status and Events.

Deciding is done on the spot; writing is handed to a task of the pool's own, so that an API server that is slow for one
pool holds up nobody. While that task runs, the pool is only measured.
"""

from __future__ import annotations

import logging
import random
from functools import partial
from typing import TYPE_CHECKING, Any

from bullpen_operator.cluster.deployment import fleet_of
from bullpen_operator.engine.announce import scaled, unguarded
from bullpen_operator.engine.drain import NO_ORDERS, Orders
from bullpen_operator.engine.guard import Guard, Unguard, guard
from bullpen_operator.engine.shard import WHOLE, Shard
from bullpen_operator.engine.telling import Telling
from bullpen_operator.engine.track import Track, served
from bullpen_operator.engine.turn import Apply, Refused, Scale, effect
from bullpen_operator.engine.turnstile import Turnstile
from bullpen_operator.scaling.observation import HORIZONS, QueueReading
from bullpen_operator.scaling.plan import Rules, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from bullpen_operator.api.pool import Metadata, WorkerPool
    from bullpen_operator.cluster.port import Raw
    from bullpen_operator.cluster.recorder import Recorder
    from bullpen_operator.engine.cache import Cache
    from bullpen_operator.engine.execute import Executor
    from bullpen_operator.engine.meter import Meter
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, ReadingFailed

    Observed = QueueReading | ReadingFailed

log = logging.getLogger(__name__)

REST_SECONDS = 5.0
"""Between the turns of a pool that rests, jittered down to 3.5, so that those of many fall on different ticks."""


class Pools:
    """Every pool's turn, of those that the `shard` owns. `spawn` starts a write task and owns it; `clock` is in seconds
    since the epoch.
    """

    def __init__(
        self,
        *,
        cache: Cache,
        executor: Executor,
        recorder: Recorder,
        meter: Meter,
        clock: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        shard: Shard = WHOLE,
    ) -> None:
        self._cache = cache
        self._executor = executor
        self._recorder = recorder
        self._meter = meter
        self._clock = clock
        self._spawn = spawn
        self._shard = shard
        self._tracks: dict[str, Track] = {}
        self._telling = Telling(cache=cache, executor=executor, recorder=recorder, clock=clock, known=self._known)
        self._turnstile = Turnstile()

    def forget(self, raw: Raw) -> None:
        """The pool was deleted. Its Deployment goes by its owner reference, its queue is nobody's business here."""
        metadata = raw["metadata"]
        self._tracks.pop(metadata["uid"], None)
        self._turnstile.forget(metadata["uid"])
        self._recorder.forget(metadata["uid"])
        self._meter.pool_gone(metadata["namespace"], metadata["name"])

    def current(self) -> Iterator[tuple[str, WorkerPool]]:
        """The pools to take turns with, by uid: those that are understood and not being deleted."""
        for raw in list(self._cache.pools()):
            uid = raw["metadata"]["uid"]
            if not self._shard.owns(uid):
                continue
            track = self._tracks.get(uid)
            if track is None:  # no setdefault: a Track that is thrown away costs more than the rest of this loop
                track = self._tracks[uid] = Track()
            track.read(raw)
            if track.pool is None:
                self._misread(track, raw)
            elif track.pool.metadata.deletion_timestamp is None:
                yield uid, track.pool

    def _misread(self, track: Track, raw: Raw) -> None:
        metadata, fleet = raw["metadata"], fleet_of(self._cache.deployment(raw))
        self._meter.pool_misread(metadata["namespace"], metadata["name"], status=raw.get("status") or {}, fleet=fleet)
        self._start(track, self._telling.misread(track, raw))

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
            track.read(raw)
            track.sharing = sharing
            if track.pool is None or (asked is not None and served(asked) != served(track.pool)):
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
        track.starts.observe(observed, promised=pool.spec.scaling.wait_objective.seconds, now=now)
        reading = observed if isinstance(observed, QueueReading) else None
        self._meter.pool_seen(pool, reading=reading, fleet=fleet, decision=decision)
        if reading is not None and reading.at_rest:
            track.rested_at = now
        elif not decision.changes:  # unread, or work that a pin or a pause leaves alone
            track.rested_at = None
        orders = track.draining.decide(pool, fleet, decision, writing=track.writing, now=now)
        self._tell_drain(track, pool, observed, now)
        if track.writing:
            track.missed = observed
            return
        track.missed = None
        if not decision.changes:
            track.memory = decision.memory
        if self._cache.take_dirty(pool.metadata.uid):
            track.unsettled = track.unguarded = True
        wishes = any((decision.changes, track.unsettled, track.unguarded, orders.annotate))
        if self._must_wait(track, pool, observed, wishes=wishes, urgent=decision.changes):
            return
        wanted = self._wanted(track, pool, seen, decision, now)
        if wanted is not None:
            self._start(track, self._write(track, pool, wanted, observed, decision))
        elif (guarding := self._guarding(track, pool, raw, fleet, now)) is not None:
            self._start(track, self._guard(track, pool, guarding))
        elif orders.annotate and track.pod_pause.open(now):
            self._start(track, self._executor.annotate(track, pool, orders.annotate))
        elif track.status_pause.open(now) and (not decision.changes or track.obstacle is not None):
            # A number that waits for its turn is shown once it was taken, or once something stands in its way.
            crowded = partial(self._must_wait, track, pool, observed)
            self._start(track, self._telling.due(track, pool, observed, decision, now, crowded=crowded))
            _let_rest(track, observed, fleet, decision, now)

    def _tell_drain(self, track: Track, pool: WorkerPool, observed: Observed, now: float) -> None:
        if self._executor.writes:
            for notice in track.draining.notices(pool, observed, now=now):
                self._recorder.record(notice, now=now)

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

    def _must_wait(
        self, track: Track, pool: WorkerPool, observed: Observed, *, wishes: bool = True, urgent: bool = False
    ) -> bool:
        """Whether it wishes to write and too many others do just now; its turn comes again when one of them has."""
        if not wishes or self._turnstile.open(urgent=urgent):
            return False
        track.missed = observed
        self._turnstile.wait(pool.metadata.uid)
        return True

    def _start(self, track: Track, write: Coroutine[Any, Any, None] | None) -> None:
        if write is not None:
            track.writing = True
            self._turnstile.enter()
            self._spawn(self._bounded(track, write))

    async def _bounded(self, track: Track, write: Coroutine[Any, Any, None]) -> None:
        try:
            await write
        except Exception:
            self._meter.failed_turn()  # the same bulkhead as in take_turn
            log.exception("write failed", extra={"pool": track.pool.metadata.name if track.pool else None})
        finally:
            track.writing = False
            self._turnstile.leave()
        if track.pool is not None:
            # Who was rung for meanwhile is not rung for again.
            self._take_missed_turn(track.pool.metadata.uid)
        for uid in self._turnstile.next():
            self._take_missed_turn(uid)

    def _take_missed_turn(self, uid: str) -> None:
        track = self._tracks.get(uid)
        if track is not None and track.missed is not None:
            self.take_turn(uid, track.missed, sharing=track.sharing)

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
            made = taken and isinstance(wanted, Apply) and wanted.resource_version is None
            await self._telling.after_write(track, pool, observed, decision, made=made, now=now)

    def _tell_wake(self, track: Track, pool: WorkerPool, observed: Observed, decision: Decision, now: float) -> None:
        """How long the first job waited for this, unless something else than the operator's speed held it up."""
        waited = observed.oldest_wait_seconds if isinstance(observed, QueueReading) else None
        if decision.from_ == 0 and waited is not None and track.rested_at is not None:
            # Never more than since the queue was seen at rest, whatever clock the producer goes by.
            since = max(observed.at - waited, track.rested_at)
            self._meter.woken(pool, seconds=max(0.0, now - since))

    def _known(self, track: Track, pool: Metadata) -> bool:
        return self._tracks.get(pool.uid) is track


def _let_rest(track: Track, observed: Observed, fleet: Fleet, decision: Decision, now: float) -> None:
    """A pool at zero with nothing to do and nothing to write, and no job due that pods may have to be started for."""
    if not isinstance(observed, QueueReading) or not observed.at_rest or not fleet.replicas == fleet.pods == 0:
        return
    due = observed.next_due_at
    soon = due is not None and due - now < HORIZONS[-1]
    if not (soon or track.writing or track.unsettled or track.unguarded or track.obstacle or decision.changes):
        track.turned_at, track.rests_until = now, now + REST_SECONDS * random.uniform(0.7, 1.0)


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
