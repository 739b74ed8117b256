"""The pods of a pool and what their workers say, put together: who runs what, who is free to go. Pure.

All of it is observed anew each tick. What is kept between ticks (`Watched`) only makes decisions later, never earlier,
so that an operator that starts with nothing errs on the side of running jobs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bullpen_operator.cluster.pods import FIRST_COST
from bullpen_operator.scaling.drain import Pod, safely_ended

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bullpen.protocol.heartbeat import Heartbeat
    from bullpen_operator.cluster.pods import WorkerPod
    from bullpen_operator.scaling.observation import Fleet
    from bullpen_operator.scaling.workers import Workers

FRESH_SECONDS: Final = 5.0
"""Beats come each second; one older than this says nothing of now."""
LEAST_LEASE_SECONDS: Final = 8.0
"""A mark that ends sooner does not count: the worker must not claim again before its pod was told to stop."""
SEEN_SECONDS: Final = 1.0
"""So long after we saw it, the controller is taken to have seen a deletion cost too (scaling.md §6)."""
BUSY_BY_GUESS: Final = 1
"""Jobs of a pod of which nobody knows."""


@dataclass(slots=True)
class Watched:
    """What was seen of one pool's pods before; losing it costs a second or so."""

    costs: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    """By uid: deletion cost before, now, and when the change was seen."""
    asked: dict[str, float] = field(default_factory=dict)
    """By uid: since when a pod is asked to drain."""
    idle: dict[str, float] = field(default_factory=dict)
    """By uid: since when a pod is known to run nothing."""

    def see(self, pods: Sequence[WorkerPod], now: float) -> None:
        for pod in pods:
            known = self.costs.get(pod.uid)
            if known is None:  # whether somebody had just changed its cost, nobody knows
                self.costs[pod.uid] = (FIRST_COST if pod.cost == 0 else 0, pod.cost, now)
            elif known[1] != pod.cost or known[2] > now:
                self.costs[pod.uid] = (known[1], pod.cost, now)
        for gone in self.costs.keys() - {pod.uid for pod in pods}:
            del self.costs[gone]
            self.idle.pop(gone, None)

    def idle_seconds(self, pod: WorkerPod, jobs: int | None, now: float) -> float:
        """For how long the pod, which runs so many jobs, has run none."""
        if jobs != 0:
            self.idle.pop(pod.uid, None)
            return 0.0
        return max(0.0, now - self.idle.setdefault(pod.uid, now))

    def believed(self, pod: WorkerPod, now: float) -> tuple[int, int]:
        """The lowest and highest cost that the controller may believe the pod has."""
        before, cost, at = self.costs[pod.uid]
        return (cost, cost) if now - at >= SEEN_SECONDS else (min(before, cost), max(before, cost))


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One active pod and its worker."""

    pod: WorkerPod
    beat: Heartbeat | None
    """Its heartbeat, if it is fresh."""
    lease: float
    """For how many seconds its drain mark still holds; 0 when it has none."""
    jobs: int | None
    """Jobs that it runs; None when nobody can tell."""
    oldest: float
    """Seconds for which the job runs that it has run for longest."""
    idle: float
    """Seconds for which it is known to have run nothing."""
    free: bool
    """It is marked, claims nothing and runs nothing, as far as can be told."""
    costs: tuple[int, int]
    foreign: bool
    """Its worker sends no heartbeats and knows no marks, as Node's."""

    @property
    def marked(self) -> bool:
        return self.lease > 0

    @property
    def drain_pod(self) -> Pod:
        """As `scaling.drain` looks at it."""
        return Pod(
            name=self.pod.uid,
            ready=self.pod.ready,
            jobs=BUSY_BY_GUESS if self.jobs is None else self.jobs,
            oldest_job_seconds=self.oldest,
            draining=self.marked,
            free=self.free,
            scheduled=self.pod.scheduled,
            running=self.pod.running,
            costs=self.costs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What the pool's spec says of its workers: whether they are Bullpen's, and whether busy ones may go once they were
    asked `grace` seconds ago.
    """

    ours: bool
    strict: bool
    grace: float


def crew_of(
    pods: Iterable[WorkerPod], workers: Workers, *, active: int, duty: Duty, watched: Watched, now: float
) -> tuple[Member, ...]:
    """The active pods with their workers. `active`: jobs of the queue that run, wherever."""
    known = list(pods)
    watched.see(known, now)
    return tuple(_member(pod, workers, active, duty, watched, now) for pod in known if pod.active)


def mixed(crew: Sequence[Member]) -> bool:
    """Whether the pods are of more than one template, as in a rollout: the Deployment tells a moment later."""
    return len({member.pod.template for member in crew}) > 1


def counted(fleet: Fleet, crew: Sequence[Member]) -> Fleet:
    """What the Deployment says with what is known of its pods.

    Where the two do not agree, a watch is behind: then no pod counts as drained. Pods of two templates are two
    ReplicaSets, each of which chooses for itself: then pods cannot be drained.
    """
    agreed = fleet.pods == len(crew) and fleet.ready == sum(member.pod.ready for member in crew)
    missing = max(0, fleet.replicas - fleet.pods)  # asked for and never made: nothing ends with them
    drained = missing + safely_ended(member.drain_pod for member in crew) if agreed else 0
    return replace(
        fleet,
        # Without those that may go although they are: where drain.strict is false, and their time is up.
        busy=sum(1 for member in crew if member.jobs and not member.free),
        draining=sum(1 for member in crew if member.marked),
        drained=None if fleet.rolling or mixed(crew) else drained,
        unwatched=sum(1 for member in crew if member.foreign and member.jobs is None),
    )


def _member(pod: WorkerPod, workers: Workers, active: int, duty: Duty, watched: Watched, now: float) -> Member:
    beat = workers.beats.get(pod.uid)
    foreign = beat is None and not duty.ours
    if beat is not None and (beat.at is None or workers.at - beat.at > FRESH_SECONDS):
        beat = None
    lease = workers.marks.get(pod.uid, 0.0)
    jobs = _jobs(pod, beat, workers, active, foreign=foreign)
    overdue = not duty.strict and now - watched.asked.get(pod.uid, now) >= duty.grace
    finished = overdue or _has_finished(pod, beat, jobs, foreign=foreign)
    return Member(
        pod=pod,
        beat=beat,
        lease=lease,
        jobs=jobs,
        oldest=max(0.0, workers.at - beat.oldest) if beat is not None and beat.oldest is not None else 0.0,
        idle=watched.idle_seconds(pod, jobs, now),
        free=lease >= LEAST_LEASE_SECONDS and finished,
        costs=watched.believed(pod, now),
        foreign=foreign,
    )


def _jobs(pod: WorkerPod, beat: Heartbeat | None, workers: Workers, active: int, *, foreign: bool) -> int | None:
    """Jobs that the pod runs: what its heartbeat says, or what Redis says of the active jobs, whichever is more."""
    looked = workers.running is not None
    held = 0 if workers.running is None else workers.running.get(pod.uid, 0) + workers.running.get(pod.name, 0)
    if beat is not None:
        return max(beat.busy, held)
    if held or not active or not pod.running:
        return held
    return 0 if looked and not workers.unknown else None


def _has_finished(pod: WorkerPod, beat: Heartbeat | None, jobs: int | None, *, foreign: bool) -> bool:
    """Whether a marked pod runs nothing and will not.

    Redis has the last word on what it runs, and knew its mark in the same moment: so no claim is on its way. A worker
    without a fresh heartbeat may be one that starts, and finds its mark with its first claim; if its pod is ready
    nevertheless, something is wrong with it, and nobody knows what it does. Foreign workers know no marks: those of
    which nobody can tell are left to their grace period.
    """
    if foreign:
        return not jobs
    if jobs != 0:
        return False
    return beat.drained if beat is not None else not pod.ready
