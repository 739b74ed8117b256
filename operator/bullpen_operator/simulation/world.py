"""The simulated cluster: a FIFO queue, pods with slots that start, claim, run, drain and are ended. Event-driven.

Between two looks of the policy only arrivals, completions and pods change anything, so the clock jumps from one to the
next. What is modelled, and from where:

- a pod is ready a log-normal time after it was asked for (mean 8 s, p90 13 s);
- an idle slot that claims next is a random one, because idle workers all wait for the same marker;
- pods that are ended without drain: those that are not ready first, then at random (ReplicaSet victim order without
  deletion costs); a busy one claims nothing more and has the grace period to finish, then its jobs are interrupted;
- an interrupted job is found by the stalled check after 30 s and goes to the front of the queue; the second time it has
  failed (BullMQ: stalledInterval 30 s, maxStalledCount 1).
"""

from __future__ import annotations

import math
import random
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Protocol

from bullpen_operator.simulation.outcome import Outcome
from bullpen_operator.simulation.pod import DRAINING, ENDING, GONE, OPEN, STARTING, Pod

if TYPE_CHECKING:
    from bullpen_operator.simulation.trace import Trace

START_MU, START_SIGMA = 1.97267, 0.46210
"""Log-normal with mean 8 s and p90 13 s."""
START_SECONDS = 8.0
GRACE_SECONDS = 30.0
STALLED_SECONDS = 30.0
MAX_STALLED = 1
NEVER = float("inf")


class Policy(Protocol):
    """An autoscaler: looks at the world every `interval` seconds and changes it."""

    interval: float

    def look(self, world: World, now: float) -> None: ...

    def asleep(self, world: World) -> bool:
        """Whether looks may be left out until the next event, because nothing would come of them."""
        ...


class World:
    """One run."""

    def __init__(
        self,
        trace: Trace,
        *,
        slots: int,
        objective: float,
        seed: int,
        most_pods: int,
        least_pods: int = 0,
        start_seconds: float = START_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        timeline: bool = False,
    ) -> None:
        """`start_seconds` is the mean of a pod's start; its spread is always that of the default."""
        self.trace = trace
        self.objective = objective
        self.slots = slots
        self.most_pods = most_pods
        self.least_pods = least_pods
        self._start_mu = START_MU + math.log(max(start_seconds, 1e-3) / START_SECONDS)
        self._grace = grace_seconds
        self.chance = random.Random(f"world {trace.name} {seed}")
        self.queue: deque[int] = deque()
        self.pods: list[Pod] = []
        self.active = 0
        self.finished = 0
        self.outcome = Outcome()
        self._open: list[Pod] = []  # pods that claim and have a free slot
        self._ends: list[tuple[float, int, Pod]] = []
        self._others: list[tuple[float, int, int, object]] = []  # time, sequence, what, of what
        self._sequence = 0
        self._stalled: dict[int, int] = {}
        self._ready_at = dict[int, float]()
        self._direction = 0
        self._next = 0  # the next job to arrive
        self._timeline = timeline

    # What policies see and do.

    @property
    def replicas(self) -> int:
        """Pods that are asked for: all but those that are being ended."""
        return len(self.pods)

    @property
    def waiting(self) -> int:
        return len(self.queue)

    def oldest_wait(self, now: float) -> float | None:
        if not self.queue:
            return None
        job = self.queue[0]
        return now - self._ready_at.get(job, self.trace.arrivals[job])

    def newest_wait(self, now: float) -> float | None:
        if not self.queue:
            return None
        job = self.queue[-1]
        return now - self._ready_at.get(job, self.trace.arrivals[job])

    def scale(self, replicas: int, now: float, *, victims: list[Pod] | None = None) -> None:
        """Write a number; `victims` are the pods to be ended, else the controller chooses."""
        replicas = min(max(replicas, self.least_pods), self.most_pods)
        change = replicas - len(self.pods)
        if not change:
            return
        self.outcome.writes += 1
        direction = 1 if change > 0 else -1
        self.outcome.flips += bool(self._direction) and direction != self._direction
        self._direction = direction
        if change > 0:
            for _ in range(change):
                self._start(now)
        else:
            for pod in (victims if victims is not None else self._chosen(-change))[:-change]:
                self._end(pod, now)
        self.outcome.peak = max(self.outcome.peak, len(self.pods))

    def drain(self, pod: Pod) -> None:
        """Let it claim nothing more."""
        if pod.state == OPEN:
            pod.state = DRAINING
            self._close(pod)

    def resume(self, pod: Pod) -> None:
        """Let it claim again."""
        if pod.state == DRAINING:
            pod.state = OPEN

    # The run.

    def run(self, policy: Policy) -> Outcome:
        end, tick = self.trace.seconds, 0.0
        next_note = 0.0
        for _ in range(self.least_pods - len(self.pods)):
            self._stand()
        while tick < end:
            self._until(tick)
            policy.look(self, tick)
            self._claim_all(tick)
            if self._timeline and tick >= next_note:
                self.outcome.timeline.append((tick, len(self.pods), self.active, len(self.queue)))
                next_note = tick + 30
            tick += policy.interval
            if policy.asleep(self):
                event = min(self._next_event(), end)
                if event > tick:
                    tick += math.ceil((event - tick) / policy.interval) * policy.interval
        self._until(end)
        self.outcome.overdue = sum(end - self.trace.arrivals[job] > self.objective for job in self.queue)
        for pod in list(self.pods):
            self._gone(pod, end)
        return self.outcome

    def _next_event(self) -> float:
        arrivals = self.trace.arrivals
        at = arrivals[self._next] if self._next < len(arrivals) else NEVER
        if self._ends:
            at = min(at, self._ends[0][0])
        return min(at, self._others[0][0]) if self._others else at

    def _until(self, limit: float) -> None:  # noqa: C901 - the hot loop, kept in one piece
        """All events up to the limit, in order."""
        arrivals, ends, others = self.trace.arrivals, self._ends, self._others
        services, slots, waits, queue, opened = (
            self.trace.services, self.slots, self.outcome.waits, self.queue, self._open,
        )  # fmt: skip
        index, count, pick = self._next, len(arrivals), self.chance.random
        while True:
            arrival = arrivals[index] if index < count else NEVER
            ended = ends[0][0] if ends else NEVER
            other = others[0][0] if others else NEVER
            if arrival <= ended and arrival <= other:
                if arrival > limit:
                    break
                if opened:  # then nothing waits
                    pod = opened[int(pick() * len(opened))]
                    waits.append(0.0)
                    pod.running[index] = arrival
                    self.active += 1
                    heappush(ends, (arrival + services[index], index, pod))
                    if len(pod.running) == slots:
                        self._close(pod)
                else:
                    queue.append(index)
                index += 1
            elif ended <= other:
                if ended > limit:
                    break
                _, job, pod = heappop(ends)
                if pod.running.pop(job, None) is None:
                    continue  # interrupted before
                self.active -= 1
                self.finished += 1
                if pod.state == OPEN:
                    if queue:
                        self._begin(pod, queue.popleft(), ended)
                    elif pod.place < 0:
                        pod.place = len(opened)
                        opened.append(pod)
                elif pod.state == ENDING and not pod.running:
                    self._gone(pod, ended)
            else:
                if other > limit:
                    break
                self._next = index
                _, _, what, of = heappop(others)
                self._happen(what, of, other)
        self._next = index

    def _happen(self, what: int, of: object, now: float) -> None:
        if isinstance(of, Pod):
            if what == OPEN and of.state == STARTING:
                of.state = OPEN
                self._claim(of, now)
            elif what == GONE and of.state == ENDING:
                self._interrupt(of, now)
        elif isinstance(of, int):  # a stalled job was found
            self._ready_at[of] = now
            self.queue.appendleft(of)
            self._claim_all(now)

    def _claim_all(self, now: float) -> None:
        """After marks were taken off, or jobs came back: free slots take what waits."""
        for pod in self.pods:
            if pod.state == OPEN and pod.place < 0 and len(pod.running) < self.slots:
                self._claim(pod, now)
        while self.queue and self._open:
            self._claim(self._open[-1], now)

    def _claim(self, pod: Pod, now: float) -> None:
        while self.queue and len(pod.running) < self.slots:
            self._begin(pod, self.queue.popleft(), now)
        if len(pod.running) == self.slots:
            self._close(pod)
        elif pod.place < 0:
            pod.place = len(self._open)
            self._open.append(pod)

    def _begin(self, pod: Pod, job: int, now: float) -> None:
        if job not in self._stalled:
            self.outcome.waits.append(now - self.trace.arrivals[job])
        pod.running[job] = now
        self.active += 1
        heappush(self._ends, (now + self.trace.services[job], job, pod))

    def _close(self, pod: Pod) -> None:
        if pod.place < 0:
            return
        last = self._open.pop()
        if last is not pod:
            self._open[pod.place] = last
            last.place = pod.place
        pod.place = -1

    # Pods.

    def _start(self, now: float) -> None:
        self._sequence += 1
        pod = Pod(self._sequence, now)
        self.pods.append(pod)
        self._later(now + self.chance.lognormvariate(self._start_mu, START_SIGMA), OPEN, pod)

    def _stand(self) -> None:
        """A pod that was there before the trace began."""
        self._sequence += 1
        pod = Pod(self._sequence, 0.0)
        pod.state = OPEN
        self.pods.append(pod)
        self._claim(pod, 0.0)
        self.outcome.peak = max(self.outcome.peak, len(self.pods))

    def _chosen(self, number: int) -> list[Pod]:
        unready = [pod for pod in self.pods if pod.state == STARTING]
        ready = [pod for pod in self.pods if pod.state != STARTING]
        self.chance.shuffle(unready)
        self.chance.shuffle(ready)
        return (unready + ready)[:number]

    def _end(self, pod: Pod, now: float) -> None:
        self.pods.remove(pod)
        self._close(pod)
        if not pod.running:
            self._gone(pod, now)
            return
        pod.state = ENDING
        self._later(now + self._grace, GONE, pod)

    def _gone(self, pod: Pod, now: float) -> None:
        pod.state = GONE
        self.outcome.pod_seconds += now - pod.asked_at

    def _interrupt(self, pod: Pod, now: float) -> None:
        for job in pod.running:
            self.active -= 1
            self.outcome.interrupted += 1
            self._stalled[job] = self._stalled.get(job, 0) + 1
            if self._stalled[job] > MAX_STALLED:
                self.outcome.failed += 1
            else:
                self._later(now + STALLED_SECONDS, GONE, job)
        pod.running.clear()
        self._gone(pod, now)

    def _later(self, at: float, what: int, of: object) -> None:
        self._sequence += 1
        heappush(self._others, (at, self._sequence, what, of))
