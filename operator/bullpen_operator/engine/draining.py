"""One pool's drain from tick to tick: what is seen of its pods, what follows, and what of it is worth an Event.

What is kept here makes decisions later, never earlier, and Events rarer: an operator that starts with nothing is safe.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bullpen_operator.api.quantities import cores
from bullpen_operator.api.reasons import Reason
from bullpen_operator.cluster.recorder import Notice
from bullpen_operator.engine.crew import Duty, Member, Watched, counted, crew_of
from bullpen_operator.engine.drain import NO_ORDERS, Orders, orders
from bullpen_operator.engine.usage import CpuMeter
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.cluster.pods import WorkerPod
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, ReadingFailed

ENDING_SECONDS: Final = 10.0
"""For so long after a smaller number was written, the controller may still end pods that had the lowest cost."""
RARE: Final = 0.005
"""The share of jobs that may outlive the grace period without a word (their 99.5th percentile, scaling.md §6)."""


@dataclass(slots=True)
class Draining:
    """On a pool's track. `crew` is None while nobody knows what the pods do."""

    crew: tuple[Member, ...] | None = None
    orders: Orders = NO_ORDERS
    cpu_use: float | None = None
    scaler: str = ""
    _watched: Watched = field(default_factory=Watched)
    _cpu: CpuMeter = field(default_factory=CpuMeter)
    _shrunk_at: float | None = None
    _told: bool | None = None
    """Whether the present drain has had its Event; None before the first look."""
    _overran: bool = False
    _long: set[tuple[str, float]] = field(default_factory=set)
    """Pods and beginnings of jobs that ran for longer than drain.seconds."""
    _finished: int | None = None
    """Jobs that had ended when this operator first looked."""
    _too_short: int | None = None
    """drain.seconds for which GracePeriodTooShort was told."""

    def observe(
        self,
        pool: WorkerPool,
        pods: Sequence[WorkerPod],
        observed: QueueReading | ReadingFailed,
        *,
        scaler: str,
        now: float,
    ) -> None:
        """Take in what is seen of the pool's pods and of their workers."""
        self.scaler = scaler
        workers = observed.workers if isinstance(observed, QueueReading) else None
        if workers is None or not isinstance(observed, QueueReading):
            self.crew = None
            return
        duty = Duty(ours=pool.spec.app is not None, strict=strict(pool), grace=pool.spec.drain.seconds)
        # Since then all leases are so much shorter, and all beats so much older: an answer may have taken its time.
        aged = workers.aged(now - observed.at)
        self.crew = crew_of(pods, aged, active=observed.active, duty=duty, watched=self._watched, now=now)
        beats = [member.beat for member in self.crew if member.beat is not None]
        self.cpu_use = self._cpu.use(beats, allowed=_allowed(pool))
        if self._finished is None:
            self._finished = observed.finished

    def on(self, fleet: Fleet) -> Fleet:
        """What the Deployment says, with what is known of its pods."""
        fleet = replace(fleet, foreign_scaler=self.scaler)
        if self.crew is None:
            return fleet
        return replace(counted(fleet, self.crew), cpu_use=self.cpu_use)

    def shrinking(self, now: float) -> None:
        """A smaller number is about to be written, or was."""
        self._shrunk_at = now

    def decide(self, pool: WorkerPool, fleet: Fleet, decision: Decision, *, writing: bool, now: float) -> Orders:
        """What follows from what was observed and decided."""
        if self.crew is None or not fleet.exists:
            self.orders = NO_ORDERS
            return self.orders
        ending = self._shrunk_at is not None and (writing or 0 <= now - self._shrunk_at < ENDING_SECONDS)
        self.orders = orders(
            self.crew, desired=decision.desired, replicas=fleet.replicas, ending=ending, shield=shielded(pool)
        )
        asked = self._watched.asked
        for gone in asked.keys() - self.orders.victims:
            del asked[gone]
        for uid in self.orders.victims:
            asked.setdefault(uid, now)
        return self.orders

    def notices(self, pool: WorkerPool, observed: QueueReading | ReadingFailed, *, now: float) -> Iterator[Notice]:
        """The Events of this tick."""
        if self.crew is None or not isinstance(observed, QueueReading):
            return
        victims = [member for member in self.crew if member.pod.uid in self.orders.victims]
        busy = [member for member in victims if member.jobs != 0]
        if self._told is None:  # the operator before this one has told of a drain that goes on
            self._told = any(member.marked for member in victims)
        if busy and not self._told:
            self._told = True
            yield _notice(pool, Reason.DRAIN_STARTED, self._started(len(victims), busy))
        elif self._told and not victims:
            self._told = False
            if not (self._shrunk_at is not None and 0 <= now - self._shrunk_at < ENDING_SECONDS):
                yield _notice(pool, Reason.DRAIN_CANCELLED, Reason.DRAIN_CANCELLED.meaning)
        yield from self._late(pool, busy, now)
        yield from self._grace(pool, observed)

    def completed(self, pool: WorkerPool, decision: Decision, *, now: float) -> Iterator[Notice]:
        """The Event of a smaller number that was taken."""
        if not self._told:
            return
        asked = min(self._watched.asked.values(), default=now)
        number = decision.from_ - decision.to
        note = f"Pods that had finished their jobs and are ended: {number}, {now - asked:.0f} s after they were asked."
        yield _notice(pool, Reason.DRAIN_COMPLETED, note)

    def _started(self, victims: int, busy: Sequence[Member]) -> str:
        jobs = sum(member.jobs or 0 for member in busy)
        text = (
            f"{victims} of {len(self.crew or ())} pods claim no more jobs, and are ended when they have finished "
            f"those that they run ({jobs})."
        )
        blind = sum(1 for member in busy if member.foreign)
        if blind:
            text += f" Not Bullpen's, so that only their grace period protects what they run: {blind}."
        return text

    def _late(self, pool: WorkerPool, busy: Sequence[Member], now: float) -> Iterator[Notice]:
        grace = pool.spec.drain.seconds
        late = [member for member in busy if now - self._watched.asked.get(member.pod.uid, now) > grace]
        if late and not self._overran:
            names = ", ".join(member.pod.name for member in late[:3])
            then = "they are waited for" if strict(pool) else "they are ended all the same"
            note = f"Pods that still run jobs {grace} s after they were asked to finish: {len(late)} ({names}); {then}."
            yield _notice(pool, Reason.DRAIN_OVERRAN, note, warning=True)
        self._overran = bool(late)

    def _grace(self, pool: WorkerPool, reading: QueueReading) -> Iterator[Notice]:
        """Jobs are seen while they run, the oldest of each pod: so there may be more of them, never fewer."""
        grace = pool.spec.drain.seconds
        for member in self.crew or ():
            if member.oldest > grace and member.beat is not None and member.beat.oldest is not None:
                self._long.add((member.pod.uid, round(member.beat.oldest)))
        ended = max(0, (reading.finished or 0) - (self._finished or 0))
        if self._long and len(self._long) > RARE * ended and self._too_short != grace:
            self._too_short = grace
            yield _notice(
                pool,
                Reason.GRACE_PERIOD_TOO_SHORT,
                f"Jobs that ran for longer than drain.seconds ({grace}): {len(self._long)}, while {ended} ended. "
                "A rollout or the loss of a node would interrupt them: raise drain.seconds above the longest.",
                warning=True,
            )


def strict(pool: WorkerPool) -> bool:
    """Whether a busy pod is never ended."""
    return pool.spec.drain.strict


def shielded(pool: WorkerPool) -> bool:
    """Whether busy pods are to be protected from node autoscalers."""
    return pool.spec.drain.protect_from_consolidation


def _allowed(pool: WorkerPool) -> float | None:
    """Cores that a worker may use: its limit, else what is kept for it."""
    resources = pool.spec.resources
    for kind in ("limits", "requests"):
        found = cores((resources.get(kind) or {}).get("cpu"))
        if found is not None:
            return found
    return None


def _notice(pool: WorkerPool, reason: Reason, note: str, *, warning: bool = False) -> Notice:
    metadata = pool.metadata
    return Notice(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        reason=reason,
        note=note,
        warning=warning,
        action="Drain",
    )
