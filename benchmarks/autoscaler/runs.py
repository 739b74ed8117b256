"""A workload under each policy, and the figures of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autoscaler.traces import DAY, Source
from bullpen_operator.simulation import peers
from bullpen_operator.simulation.bullpen_policy import Bullpen
from bullpen_operator.simulation.figures import late_percent, percentile
from bullpen_operator.simulation.outcome import Outcome
from bullpen_operator.simulation.trace import Trace
from bullpen_operator.simulation.world import Policy, World

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS: Final = 5
OBJECTIVE: Final = 30.0
MOST_PODS: Final = 1000

POLICIES: Final[dict[str, Callable[[Trace], Policy]]] = {
    "bullpen": lambda _: Bullpen.simple(slots=SLOTS, most_pods=MOST_PODS, objective=OBJECTIVE),
    "keda": lambda _: peers.keda_default(),
    "keda-aws": lambda trace: peers.keda_aws(objective=OBJECTIVE, service=trace.mean_service, slots=SLOTS),
    "keda-wait-active": lambda _: peers.keda_wait_active(SLOTS),
    "wpa": lambda trace: peers.Wpa(objective=OBJECTIVE, service=trace.mean_service, slots=SLOTS),
    "thumbs": lambda _: peers.Thumbs(SLOTS),
}
KEDA: Final = ("keda", "keda-aws", "keda-wait-active")


@dataclass(frozen=True, slots=True)
class Figures:
    """One run; waits in seconds, rates per day."""

    trace: str
    kind: str
    policy: str
    seed: int
    jobs: int
    mean_service: float
    p50: float
    p95: float
    p99: float
    violations: float
    """Per cent of the jobs that waited longer than the objective."""
    pod_hours: float
    ratio: float
    """Pod-hours ÷ the least there can be: all service time on pods without a free slot."""
    writes: float
    flips: float
    interrupted: int
    failed: int
    peak: int


def played(trace: Trace, policy: str, seed: int, *, timeline: bool = False) -> Outcome:
    world = World(trace, slots=SLOTS, objective=OBJECTIVE, seed=seed, most_pods=MOST_PODS, timeline=timeline)
    return world.run(POLICIES[policy](trace))


def figures(trace: Trace, kind: str, policy: str, seed: int) -> Figures:
    outcome = played(trace, policy, seed)
    waits = sorted(outcome.waits)
    days = trace.seconds / DAY
    least = sum(
        min(service, trace.seconds - arrival) for arrival, service in zip(trace.arrivals, trace.services, strict=True)
    )
    return Figures(
        trace=trace.name,
        kind=kind,
        policy=policy,
        seed=seed,
        jobs=len(trace.arrivals),
        mean_service=round(trace.mean_service, 3),
        p50=round(percentile(waits, 0.50), 2),
        p95=round(percentile(waits, 0.95), 2),
        p99=round(percentile(waits, 0.99), 2),
        violations=round(late_percent(waits, OBJECTIVE, overdue=outcome.overdue), 3),
        pod_hours=round(outcome.pod_seconds / 3600, 3),
        ratio=round(outcome.pod_seconds * SLOTS / least, 3) if least else 0.0,
        writes=round(outcome.writes / days, 1),
        flips=round(outcome.flips / days, 1),
        interrupted=outcome.interrupted,
        failed=outcome.failed,
        peak=outcome.peak,
    )


def task(job: tuple[Source, int, tuple[str, ...]]) -> list[Figures]:
    """All policies on one trace of one seed."""
    source, seed, policies = job
    trace = source.make(seed)
    return [figures(trace, source.kind, policy, seed) for policy in policies]
