"""How many slots the wait objective takes, how many pods these are, and what the rules of thumb say.

Formulas and their letters are those of scaling.md §4. Times may be in any unit, as long as it is one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Self

from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling.erlang import servers_for
from bullpen_operator.scaling.numbers import MOST_JOBS, count, finite, seconds
from bullpen_operator.scaling.observation import HORIZONS

if TYPE_CHECKING:
    from bullpen_operator.scaling.observation import QueueReading
    from bullpen_operator.scaling.rules import Rules

_GROWTH: Final = 2
"""A long wait at most doubles the pool at a step, as the HPA's default policy does (autoscaling/v2, scaleUp)."""
_MOST_SLOTS: Final = 10_000_000
_LATE_SHARE: Final = 0.15
"""Of the objective that a late backlog still gets (scaling.md §4)."""
_KEPT_SHARE: Final = 0.9
"""Of the objective, which slots that are there have for the queue, less the newest job's wait (scaling.md §4)."""
_LEAST_SHARE: Final = 0.1
"""Of a pod's slots that count however busy its CPU is: a wrong reading must not multiply the pool without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A reading cleaned of what no queue can say (counts ≥ 0, times finite and ≥ 0), with what was learned before."""

    waiting: int
    due: int
    soon: int
    """Delayed jobs that fall due before pods asked for now could start."""
    active: int
    oldest_wait_seconds: float
    newest_wait_seconds: float
    """That of the job at the back; the oldest's when it is not known."""
    arrivals: float
    """λ, jobs per second."""
    sustained: float
    """λ over the longer memory: what is no burst."""
    present: float
    """Slots of the pods that are ready."""
    service_seconds: float
    """S."""
    lead_seconds: float
    """d, from asking for a pod to its first job."""

    @classmethod
    def of(
        cls,
        reading: QueueReading,
        *,
        arrivals: float,
        sustained: float,
        service: float,
        lead: float,
        tick: float,
        present: float = 0.0,
    ) -> Self:
        oldest, newest = seconds(reading.oldest_wait_seconds), reading.newest_wait_seconds
        return cls(
            waiting=count(reading.waiting),
            due=count(reading.due),
            soon=_soon(reading, lead + tick),
            active=count(reading.active),
            oldest_wait_seconds=oldest,
            newest_wait_seconds=oldest if newest is None else min(seconds(newest), oldest),
            arrivals=arrivals,
            sustained=sustained,
            present=present,
            service_seconds=service,
            lead_seconds=lead,
        )

    @property
    def backlog(self) -> int:
        """L: jobs that need a slot by the time that pods asked for now could start."""
        return self.waiting + self.due + self.soon

    @property
    def jobs(self) -> int:
        """Jobs that need a slot, those that have one included."""
        return self.backlog + self.active


def _soon(reading: QueueReading, horizon: float) -> int:
    for ahead, due in zip(HORIZONS, reading.due_within, strict=False):
        if ahead >= horizon:
            return count(due)
    return count(reading.due_within[-1]) if reading.due_within else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A share of `percentile` per cent of the jobs starts within `wait` of being ready."""

    wait: float
    percentile: float
    tick: float

    @property
    def late(self) -> float:
        """α: the share of jobs that may wait longer."""
        return min(max(1 - finite(self.percentile) / 100, 1e-6), 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The slots asked for, and each bound's answer before it was rounded."""

    needed: float
    deadline: float
    """n1."""
    steady: int
    """n2; 0 when it does not apply."""
    work: float
    """What there is to do: no bound may exceed it."""
    budget: float
    """b, the wait that a job may still have when the pods asked for now are there."""


@lru_cache(maxsize=64)
def quantile(late: float) -> float:
    """z: the normal quantile of 1 − α."""
    return NormalDist().inv_cdf(1 - late)


def budgets(objective: Objective, *, lead: float, oldest: float, newest: float) -> tuple[float, float]:
    """b in good time, and b as things are: shorter once jobs have waited longer than that (scaling.md §4).

    A queue to which jobs keep coming has its oldest job wait about b when all is well, so that alone is no reason to
    catch up: the last job in it, which must start a whole objective after it came, is the one that the backlog's length
    endangers. In a bulk, where all came at once, its wait is the oldest's. Once a job is late, so are those behind it.
    """
    wait = max(objective.wait, 1e-9)
    planned = max(wait - lead - objective.tick, 0.2 * wait)
    if oldest <= planned:
        return planned, planned
    least = min(planned, max(wait / 2 - lead, _LATE_SHARE * wait))
    if oldest > wait:
        return planned, least
    return planned, max(least, min(planned, wait - lead - objective.tick - newest))


def _deadline(jobs: float, *, spread: float, present: float, kept: float, budget: float, service: float) -> float:
    """n1: slots that start `jobs` in time, where those that are there have `kept` for it, and others `budget`.

    In the fluid first-in-first-out model a slot starts 1 + t/S jobs in a time t (scaling.md §4). Without present slots
    it is (jobs + spread) ÷ (1 + b/S); with enough of them it is what could be kept of them, and what may change until
    help arrives (`spread`) is no reason yet to call it. Neither more jobs nor less time ever asks for fewer.
    """
    served = present * (1 + kept / service)
    if jobs <= served:
        return jobs / (1 + kept / service)
    unserved = 1 - served / jobs
    return present + (jobs - served + unserved * spread) / (1 + budget / service)


def slots(load: Load, objective: Objective) -> Slots:
    """n = min(max(n1, n2), work), scaling.md §4.

    n1, the deadline bound, is exact in the fluid first-in-first-out model; σ is what changes until help arrives. n2,
    the steady-state bound, is exact for M/M/n, and asked for the sustained rate: a burst that n1 can spread over the
    objective is no steady state.
    """
    lead, service, arrivals = load.lead_seconds, load.service_seconds, load.arrivals
    ahead, z = lead + objective.tick, quantile(objective.late)
    planned, budget = budgets(objective, lead=lead, oldest=load.oldest_wait_seconds, newest=load.newest_wait_seconds)
    expected = arrivals * ahead
    sigma = math.sqrt(expected + load.active * -math.expm1(-ahead / service))
    # Slots that are there need not be waited for; the share is what the late budget leaves (scaling.md §4).
    kept = max(budget, _KEPT_SHARE * objective.wait - load.newest_wait_seconds)
    if load.oldest_wait_seconds > objective.wait:
        kept = min(kept, max(budget, (1 - _LATE_SHARE) * objective.wait * budget / planned))
    deadline = _deadline(load.jobs, spread=z * sigma, present=load.present, kept=kept, budget=budget, service=service)
    work = load.jobs + expected + z * math.sqrt(expected) + 1
    steady = 0
    if service < planned and deadline < work:  # judged by the planned budget, or a longer wait would ask for fewer
        steady = servers_for(
            load.sustained * service,
            waits=objective.late,
            budget=budget / service,
            most=min(math.ceil(work), _MOST_SLOTS),
        )
    needed = min(max(deadline, steady), work)
    return Slots(needed=needed, deadline=deadline, steady=steady, work=work, budget=budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The pods asked for, the formula that asked for most, and each formula's answer in pods."""

    pods: int
    reason: Reason
    slots: Slots
    concurrency: float
    """Jobs that count for a pod."""
    for_objective: int
    for_length: int
    for_wait: int
    for_cpu: int


def pods_for(jobs: float, concurrency: float) -> int:
    """Pods with a slot for each of `jobs`: ⌈jobs ÷ concurrency⌉."""
    if isinstance(concurrency, int) and isinstance(jobs, int):
        return -(-max(jobs, 0) // max(concurrency, 1))
    return math.ceil(min(max(jobs, 0.0), MOST_JOBS) / max(concurrency, 1e-3) - 1e-9)


def effective_concurrency(concurrency: int, *, cpu_use: float | None, cpu_percent: float | None) -> float:
    """c_eff = c · min(1, target ÷ use): workers whose CPU is used up run their jobs more slowly (scaling.md §4)."""
    use = finite(cpu_use) * 100
    if not cpu_percent or use <= cpu_percent:
        return max(concurrency, 1)
    return max(concurrency, 1) * max(cpu_percent / use, _LEAST_SHARE)


def by_length(waiting: int, queue_length: int | None) -> int:
    """Above `queue_length` waiting jobs: ⌈waiting ÷ queue_length⌉ pods, else none (scaling.md §4, Thresholds)."""
    if queue_length is None or waiting <= queue_length:
        return 0
    return pods_for(waiting, queue_length)


def by_wait(*, replicas: int, oldest: float, wait_seconds: float | None, jobs: int) -> int:
    """Above `wait_seconds`: ⌈replicas · oldest ÷ wait_seconds⌉ pods, else none (scaling.md §4, Thresholds).

    At most twice what there is, and never more pods than jobs: a pod without a job shortens no wait.
    """
    if wait_seconds is None:
        return 0
    limit = max(wait_seconds, 1.0)
    if not oldest > limit:
        return 0
    base = max(replicas, 1)
    return min(math.ceil(base * min(oldest / limit, _GROWTH)), jobs)


def by_cpu(*, ready: int, cpu_use: float | None, cpu_percent: float | None, jobs: int) -> int:
    """HPA's formula, ⌈ready · use ÷ target⌉ above a tolerance of a tenth (scaling.md §4; Kubernetes, Horizontal Pod
    Autoscaling, Algorithm details); at most double, never more pods than jobs.
    """
    use = finite(cpu_use) * 100
    if not cpu_percent or use <= 1.1 * cpu_percent:
        return 0
    return min(math.ceil(ready * min(use / cpu_percent, _GROWTH)), jobs)


def demand(*, load: Load, rules: Rules, replicas: int, ready: int = 0, cpu_use: float | None = None) -> Demand:
    """The largest recommendation of the formulas above; the first of equals gives the reason."""
    objective = Objective(wait=rules.objective_seconds, percentile=rules.objective_percentile, tick=rules.tick_seconds)
    asked = slots(load, objective)
    c = effective_concurrency(rules.concurrency, cpu_use=cpu_use, cpu_percent=rules.cpu_percent)
    for_objective = pods_for(asked.needed, c)
    if not load.jobs and load.arrivals * (load.lead_seconds + objective.tick) < 1:
        for_objective = 0  # nothing is there and nothing is likely to come before pods could start
    for_length = by_length(load.waiting, rules.queue_length)
    for_wait = by_wait(
        replicas=replicas, oldest=load.oldest_wait_seconds, wait_seconds=rules.wait_seconds, jobs=load.jobs
    )
    for_cpu = by_cpu(ready=ready, cpu_use=cpu_use, cpu_percent=rules.cpu_percent, jobs=load.jobs)
    pods, reason = for_objective, Reason.BACKLOG if asked.deadline >= asked.steady else Reason.ARRIVALS
    for other, why in (
        (for_length, Reason.QUEUE_LENGTH),
        (for_wait, Reason.WAIT_TIME),
        (for_cpu, Reason.CPU),
    ):
        if other > pods:
            pods, reason = other, why
    return Demand(
        pods=pods,
        reason=reason if pods else Reason.IDLE,
        slots=asked,
        concurrency=c,
        for_objective=for_objective,
        for_length=for_length,
        for_wait=for_wait,
        for_cpu=for_cpu,
    )
