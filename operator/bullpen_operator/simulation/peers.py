"""Models of other autoscalers, each rule with the page that states it."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen_operator.simulation.world import World

HPA_SYNC = 15.0
HPA_TOLERANCE = 0.1
HPA_STABILIZATION = 300.0
KEDA_POLL = 30.0
KEDA_COOLDOWN = 300.0
LIST_LENGTH = 5
"""KEDA's default of the Redis lists scaler (keda.sh, scalers, Redis Lists: listLength)."""


def hpa_desired(replicas: int, metric: float, target: float) -> int:
    """The HPA's number for an external metric of type AverageValue: ⌈metric ÷ target⌉, and no change while the metric
    per pod is within a tenth of the target (Kubernetes, Horizontal Pod Autoscaling, Algorithm details).
    """
    if replicas and abs(metric / (target * replicas) - 1) <= HPA_TOLERANCE:
        return replicas
    return math.ceil(metric / target)


def hpa_growth(replicas: int) -> int:
    """The most pods after one sync: the larger of double and four more in 15 s (Default behavior)."""
    return max(2 * replicas, replicas + 4)


class Hpa:
    """The scale-down window: the highest recommendation of the last 300 s (stabilizationWindowSeconds)."""

    def __init__(self, *, window: float = HPA_STABILIZATION) -> None:
        self._window = window
        self._recommended: deque[tuple[float, int]] = deque()

    def decide(self, replicas: int, metric: float, target: float, now: float) -> int:
        desired = max(hpa_desired(replicas, metric, target), 1)
        self._recommended.append((now, desired))
        while self._recommended[0][0] <= now - self._window:
            self._recommended.popleft()
        if desired > replicas:
            return min(desired, hpa_growth(replicas))
        highest = max(number for _, number in self._recommended)
        return min(max(desired, highest), replicas)


class Keda:
    """KEDA with an HPA behind it.

    KEDA itself only goes from zero to one, when a poll (pollingInterval, 30 s) finds the metric above its activation
    value of 0, and from one to zero, when it has been inactive for cooldownPeriod (300 s); the rest is the HPA's, which
    asks every 15 s (keda.sh, Scaling Deployments; ScaledObject specification).
    """

    interval = HPA_SYNC

    def __init__(self, metric: Callable[[World], float], target: float) -> None:
        self._metric = metric
        self._target = target
        self._hpa = Hpa()
        self._active_at = -math.inf

    def asleep(self, world: World) -> bool:
        return not world.pods and not world.queue and not world.active

    def look(self, world: World, now: float) -> None:
        metric = self._metric(world)
        if now % KEDA_POLL == 0:
            if metric > 0:
                self._active_at = now
            if world.replicas == 0:
                if metric > 0:
                    world.scale(1, now)
                return
            if metric == 0 and now - self._active_at >= KEDA_COOLDOWN:
                world.scale(0, now)
                self._hpa = Hpa()
                return
        if world.replicas:
            world.scale(self._hpa.decide(world.replicas, metric, self._target, now), now)


def keda_list_length(length: int) -> Keda:
    """KEDA's Redis lists scaler on the wait list, with so many waiting jobs a pod."""
    return Keda(lambda world: world.waiting, length)


def keda_default() -> Keda:
    """The same with KEDA's default, listLength 5."""
    return keda_list_length(LIST_LENGTH)


def aws_backlog(*, objective: float, service: float, slots: int) -> float:
    """The acceptable backlog per instance: the longest acceptable latency ÷ the average time to process a message
    (Amazon EC2 Auto Scaling, Scaling policy based on Amazon SQS); an instance processes `slots` at a time. KEDA takes
    whole numbers of at least one.
    """
    return max(1.0, math.floor(objective * slots / service))


def keda_aws(*, objective: float, service: float, slots: int) -> Keda:
    """KEDA with the target that the AWS backlog formula gives for the true service time."""
    return Keda(lambda world: world.waiting, aws_backlog(objective=objective, service=service, slots=slots))


def keda_wait_active(slots: int) -> Keda:
    """KEDA on waiting and active jobs with a target of one pod's slots: the usual way not to end busy workers."""
    return Keda(lambda world: world.waiting + world.active, slots)


def wpa_desired(
    *, replicas: int, messages: int, per_minute: float, process_seconds: float, target: float, idle: int
) -> int:
    """practo Worker Pod Autoscaler (its README and docs, spec fields secondsToProcessOneJob, targetMessagesPerWorker).

    The least is ⌈secondsToProcessOneJob · messages a minute ÷ 60⌉ whatever the queue shows; a backlog asks for
    ⌈messages ÷ targetMessagesPerWorker⌉ unless that is within a tenth of what there is; without a backlog but with
    throughput the least holds; without either, pods go only when all are idle.
    """
    least = math.ceil(process_seconds * per_minute / 60)
    desired = math.ceil(messages / target)
    if replicas == 0:
        return max(desired, least)
    if messages:
        if abs(desired - replicas) <= HPA_TOLERANCE * replicas:
            return max(replicas, least)
        return max(desired, least)
    if per_minute > 0:
        return least
    return least if idle == replicas else replicas


class Wpa:
    """practo WPA with the true service time, resync-period 20 s, and the arrivals of the last minute."""

    interval = 20.0

    def __init__(self, *, objective: float, service: float, slots: int) -> None:
        self._process = service / slots
        self._target = max(1.0, objective * slots / service)
        self._added: deque[int] = deque(maxlen=4)

    def asleep(self, world: World) -> bool:
        return not world.pods and not world.queue and not world.active and not any(self._added)

    def look(self, world: World, now: float) -> None:
        self._added.append(world.finished + world.active + world.waiting)
        span = (len(self._added) - 1) * self.interval
        per_minute = (self._added[-1] - self._added[0]) / span * 60 if span else 0.0
        idle = sum(not pod.running for pod in world.pods)
        world.scale(
            wpa_desired(
                replicas=world.replicas,
                messages=world.waiting,
                per_minute=per_minute,
                process_seconds=self._process,
                target=self._target,
                idle=idle,
            ),
            now,
        )


def thumb_step(*, replicas: int, waiting: int, oldest: float, active: int, slots: int) -> int:
    """The rules of thumb as steps (scaling.md §7): one more when more than 100 wait or one has waited 60 s, one less
    when nothing waits and a pod less still has a slot for all that runs.
    """
    if waiting > 100 or oldest > 60 or (waiting and not replicas):
        return replicas + 1
    if not waiting and active <= (replicas - 1) * slots:
        return max(replicas - 1, 0)
    return replicas


class Fixed:
    """A Deployment that nobody scales: as many pods as the world has from its beginning."""

    interval = 60.0

    def asleep(self, world: World) -> bool:
        return True

    def look(self, world: World, now: float) -> None:
        """Nothing."""


class Thumbs:
    """Rules of thumb, one step each 30 s."""

    interval = 30.0

    def __init__(self, slots: int) -> None:
        self._slots = slots

    def asleep(self, world: World) -> bool:
        return not world.pods and not world.queue and not world.active

    def look(self, world: World, now: float) -> None:
        world.scale(
            thumb_step(
                replicas=world.replicas,
                waiting=world.waiting,
                oldest=world.oldest_wait(now) or 0.0,
                active=world.active,
                slots=self._slots,
            ),
            now,
        )
