"""Settings for a pool from what its queue went through, each with the reason for it.

Numbers that follow from the durations are computed; those that weigh pods against waits are tried by simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bullpen_operator.simulation.figures import Figures, percentile
from bullpen_operator.simulation.what_if import Setting, pool_figures

if TYPE_CHECKING:
    from bullpen_operator.simulation.history import History
    from bullpen_operator.simulation.trace import Trace

DRAIN_SHARE: Final = 0.995
"""Of the jobs that are to end within the drain (scaling.md §6: p99.5 of the durations)."""
DRAIN_MARGIN: Final = 1.5
LEAST_DRAIN, MOST_DRAIN = 30, 86_400
CPU_SHARE: Final = 0.8
"""Of one core that a pod's jobs may use together."""
CONCURRENCY_STEP: Final = 2
"""At most so many times the present concurrency: the CPU of a few jobs is no proof for many, and memory is not seen."""
PEAK_MARGIN: Final = 1.5
LEAST_MAX: Final = 2
_SAME_LATE: Final = 0.05
"""Per cent points that are no difference."""
_NICE: Final = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One field of a WorkerPool's spec; `path` is its place."""

    path: tuple[str, ...]
    value: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """What the workers that serve the queue now tell of themselves."""

    slots: int
    """Jobs that one runs at a time."""
    job_cpu_seconds: float
    """CPU time that a job takes, the worker's own included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """All advice, and what came of it in the simulation."""

    advice: tuple[Advice, ...]
    figures: Figures
    setting: Setting
    others: tuple[tuple[int, Figures], ...]
    """Other objectives in seconds, and what they would have cost."""


def advise(
    history: History, setting: Setting, *, objective: int | None = None, workers: Workers | None = None
) -> Proposal:
    """Propose; an `objective` in seconds is kept, `workers` are those that serve the queue now, if any tell."""
    trace, rules = history.trace(), setting.scaling().rules
    durations = history.durations
    mean = sum(durations) / len(durations)
    concurrency = _concurrency(setting, mean, workers)
    wanted = _objective(setting, mean) if objective is None else Advice(
        path=("scaling", "waitObjective", "seconds"), value=objective, reason="As you asked for."
    )  # fmt: skip
    expected = _expected(mean, len(durations))
    drain = _drain(durations)
    open_rules = replace(
        rules,
        concurrency=concurrency.value,
        objective_seconds=float(wanted.value),
        expected_job_seconds=float(expected.value),
        queue_length=None,
        wait_seconds=None,
        min_replicas=0,
        max_replicas=10_000,
    )
    tried = replace(setting, rules=open_rules, drain_seconds=float(drain.value))
    least, figures = _least(history, trace, tried)
    most = _most(figures, least.value)
    final = replace(tried, rules=replace(open_rules, min_replicas=least.value, max_replicas=most.value))
    return Proposal(
        advice=(
            concurrency, expected, wanted, least, most, _length(final, mean), _wait_seconds(final), drain,
        ),
        figures=pool_figures(trace, final, epoch=history.began),
        setting=final,
        others=_others(history, trace, final),
    )  # fmt: skip


def _concurrency(setting: Setting, mean: float, workers: Workers | None) -> Advice:
    path = ("concurrency",)
    if workers is None:
        return Advice(
            path=path,
            value=setting.rules.concurrency,
            reason="Left as it is: no worker tells now how much CPU a job takes. Jobs that wait for networks and disks "
            "can be many in a pod; of jobs that compute, one for each core.",
        )
    share = max(workers.job_cpu_seconds / max(mean, 1e-3), 1e-3)
    fit = max(math.floor(CPU_SHARE / share), 1)
    value = min(fit, CONCURRENCY_STEP * workers.slots)
    why = (
        f"A job of {_span(mean)} takes {_span(workers.job_cpu_seconds)} of CPU: {value} of them keep a core "
        f"{100 * min(value * share, 1):.0f} % busy; now there are {workers.slots} in a pod."
    )
    more = " More may do, by steps, with an eye on their memory." if fit > value else ""
    return Advice(path=path, value=value, reason=why + more)


def _objective(setting: Setting, mean: float) -> Advice:
    """What people hardly notice: as long again as a job runs; at least two pod starts and half a minute."""
    start = setting.start_seconds
    least = max(30.0, 2 * start + 10)
    value = 30 if max(mean, least) <= 30 else nice_above(min(max(mean, least), 600.0))
    why = (
        f"Jobs run {_span(mean)} on average, and a wait as long as that is hardly noticed."
        if mean > least
        else f"Room for a pod start of {_span(start)} from zero. People who wait for a job may want less."
    )
    return Advice(path=("scaling", "waitObjective", "seconds"), value=value, reason=why)


def _expected(mean: float, jobs: int) -> Advice:
    value = min(max(round(mean), 1), 86_400)
    return Advice(
        path=("expectedJobSeconds",),
        value=value,
        reason=f"The mean of {jobs:,} jobs is {_span(mean)}; the pool begins with it and learns from then on.",
    )


def _drain(durations: list[float]) -> Advice:
    long, longest = percentile(durations, DRAIN_SHARE), durations[-1]
    value = min(max(nice_above(DRAIN_MARGIN * long), LEAST_DRAIN), MOST_DRAIN)
    beyond = sum(seconds > value for seconds in durations)
    rest = f"but {beyond:,} took longer" if beyond else "and none took longer"
    return Advice(
        path=("drain", "seconds"),
        value=value,
        reason=f"{100 * DRAIN_SHARE:g} % of the jobs end within {_span(long)}, the longest took {_span(longest)}; half "
        f"as much again for a pod that stops, {rest}.",
    )


def _least(history: History, trace: Trace, tried: Setting) -> tuple[Advice, Figures]:
    """The fewest standing pods with which the promise is kept; none if more do not help."""
    path = ("scaling", "minReplicas")
    none = found = pool_figures(trace, tried, epoch=history.began)
    if none.late <= tried.allowed_late:
        return Advice(
            path=path, value=0, reason=f"From zero {none.late:.1f} % of the jobs are late: an idle pool may go."
        ), none
    for pods in (1, 2, 3, 5, 8, 12, 20):
        standing = replace(tried, rules=replace(tried.rules, min_replicas=pods))
        tried_figures = pool_figures(trace, standing, epoch=history.began)
        if tried_figures.late <= tried.allowed_late:
            return (
                Advice(
                    path=path,
                    value=pods,
                    reason=f"From zero {none.late:.1f} % of the jobs are late, with {pods} always there "
                    f"{tried_figures.late:.1f} %.",
                ),
                tried_figures,
            )
        if tried_figures.late > found.late - _SAME_LATE:
            break
        found = tried_figures
    return (
        Advice(
            path=path,
            value=0,
            reason=f"{none.late:.1f} % of the jobs are late, and a few standing pods hardly change that: jobs come in "
            "bursts that are over before pods can start. A longer objective is more honest.",
        ),
        none,
    )


def _most(figures: Figures, least: int) -> Advice:
    peak = figures.peak or 0
    value = max(math.ceil(PEAK_MARGIN * peak), least, LEAST_MAX)
    return Advice(
        path=("scaling", "maxReplicas"),
        value=value,
        reason=f"The busiest moment took {peak}; half as much again for worse days.",
    )


def _length(setting: Setting, mean: float) -> Advice:
    """What one pod works off in two objectives: then the threshold speaks only when the objective is missed anyway."""
    rules = setting.rules
    value = max(nice_above(2 * rules.objective_seconds * rules.concurrency / max(mean, 1e-3)), rules.concurrency, 1)
    return Advice(
        path=("scaling", "thresholds", "queueLength"),
        value=min(value, 1_000_000),
        reason=f"A pod works off so many in about {_span(value * mean / rules.concurrency)}, beyond the objective: a "
        "smaller number would ask for pods that the objective can do without.",
    )


def _wait_seconds(setting: Setting) -> Advice:
    value = nice_above(max(2 * setting.rules.objective_seconds, 60))
    return Advice(
        path=("scaling", "thresholds", "waitSeconds"),
        value=value,
        reason="Twice the objective: a net for what the objective did not foresee.",
    )


def _others(history: History, trace: Trace, final: Setting) -> tuple[tuple[int, Figures], ...]:
    """What half and double the objective would have cost."""
    found = []
    for factor in (0.5, 2.0):
        seconds = max(round(final.rules.objective_seconds * factor), 1)
        other = replace(final, rules=replace(final.rules, objective_seconds=float(seconds)))
        found.append((seconds, pool_figures(trace, other, epoch=history.began)))
    return tuple(found)


def nice_above(value: float) -> int:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten: 37 → 40, 420 → 500, never below the value."""
    if value <= 1:
        return 1
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(math.ceil(step * power) for step in _NICE if step * power >= value * (1 - 1e-9))


def _span(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
