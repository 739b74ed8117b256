"""The operator's own planner, given what it would read, with its drain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen_operator.api.scaling import ScalingPause
from bullpen_operator.scaling.drain import Pod as DrainPod
from bullpen_operator.scaling.drain import victims
from bullpen_operator.scaling.observation import Fleet, QueueReading
from bullpen_operator.scaling.plan import Memory, Rules, plan
from bullpen_operator.simulation.pod import DRAINING, OPEN, STARTING, Pod

if TYPE_CHECKING:
    from bullpen_operator.simulation.world import World

TICK_SECONDS = 2.0
EPOCH = 1_800_000_000.0


class Bullpen:
    """`scaling.plan` and `scaling.drain`, the modules that the operator runs; the service time is not told."""

    def __init__(self, rules: Rules, *, epoch: float = EPOCH) -> None:
        """`epoch` is when the trace begins, in seconds since the epoch: schedules are told by the clock."""
        self.rules = rules
        self.interval = rules.tick_seconds
        self.memory = Memory(since=epoch - 1000)
        self._epoch = epoch

    @classmethod
    def simple(cls, *, slots: int, most_pods: int, objective: float) -> Bullpen:
        """With the defaults of a pool, from zero pods."""
        return cls(
            Rules(
                concurrency=slots,
                min_replicas=0,
                max_replicas=most_pods,
                queue_length=100,
                wait_seconds=60,
                idle_seconds=60,
                pinned=None,
                paused=ScalingPause.NONE,
                objective_seconds=objective,
                tick_seconds=TICK_SECONDS,
            )
        )

    def asleep(self, world: World) -> bool:
        quiet = not world.pods and not world.queue and not world.active
        return quiet and not self.rules.schedule  # a window opens by the clock

    def look(self, world: World, now: float) -> None:
        reading = QueueReading(
            at=self._epoch + now,
            exists=True,
            paused=False,
            waiting=len(world.queue),
            due=0,
            active=world.active,
            delayed=0,
            failed=0,
            completed=0,
            oldest_wait_seconds=world.oldest_wait(now),
            newest_wait_seconds=world.newest_wait(now),
            next_due_at=None,
            global_concurrency=None,
            finished=world.finished,
        )
        decision = plan(
            rules=self.rules, reading=reading, fleet=_fleet(world), memory=self.memory, now=self._epoch + now
        )
        self.memory = decision.memory
        if decision.to < decision.from_:
            gone = sorted(world.pods, key=_ended_first)[: decision.from_ - decision.to]
            world.scale(decision.to, now, victims=gone)
        else:
            world.scale(decision.to, now)
        _mark(world, decision.to - decision.desired, now)


def _fleet(world: World) -> Fleet:
    pods, busy, drained, ready = world.pods, 0, 0, 0
    for pod in pods:
        if pod.state == STARTING:
            continue
        ready += 1
        if pod.running:
            busy += 1
        elif pod.state == DRAINING:
            drained += 1
    count = len(pods)
    # Pods that are not ready are ended first and have claimed nothing: as good as drained.
    return Fleet(
        exists=True, replicas=count, pods=count, ready=ready, updated=count, rolling=False, observed=True,
        stalled=False, busy=busy, drained=drained + count - ready,
    )  # fmt: skip


def _ended_first(pod: Pod) -> tuple[int, int]:
    """The controller's order: not ready, then by deletion cost, which only drained pods have."""
    drained = pod.state == DRAINING and not pod.running
    return (0 if pod.state == STARTING else 1 if drained else 2), pod.name


def _mark(world: World, surplus: int, now: float) -> None:
    """Mark as many pods as are to go, and no others."""
    if surplus <= 0:
        for pod in world.pods:
            if pod.state == DRAINING:
                world.resume(pod)
        return
    known = {str(pod.name): pod for pod in world.pods}
    chosen = set(
        victims(
            (
                DrainPod(
                    name=name,
                    ready=pod.state != STARTING,
                    jobs=len(pod.running),
                    oldest_job_seconds=now - min(pod.running.values()) if pod.running else 0.0,
                    draining=pod.state == DRAINING,
                )
                for name, pod in known.items()
            ),
            surplus,
        )
    )
    for name, pod in known.items():
        if name in chosen and pod.state == OPEN:
            world.drain(pod)
        elif name not in chosen and pod.state == DRAINING:
            world.resume(pod)
