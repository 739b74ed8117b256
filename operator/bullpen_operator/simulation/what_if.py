"""A queue's history under a pool, under a threshold on the list's length, and under a fixed number of pods."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bullpen_operator.api.scaling import ScalingPause
from bullpen_operator.simulation.bullpen_policy import TICK_SECONDS, Bullpen
from bullpen_operator.simulation.figures import Figures
from bullpen_operator.simulation.peers import LIST_LENGTH, Fixed, keda_list_length
from bullpen_operator.simulation.world import START_SECONDS, World

if TYPE_CHECKING:
    from bullpen_operator.scaling.rules import Rules
    from bullpen_operator.simulation.history import History
    from bullpen_operator.simulation.outcome import Outcome
    from bullpen_operator.simulation.trace import Trace
    from bullpen_operator.simulation.world import Policy

SEED: Final = 1
"""Of the pods' starts and of what the controller ends: the same for every policy, and at each run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a pool is asked for, and what is assumed of its pods."""

    rules: Rules
    drain_seconds: float = 300.0
    """After it a pod that is to end interrupts its jobs."""
    start_seconds: float = START_SECONDS
    """Mean of a pod's start."""
    list_length: int = LIST_LENGTH
    """Waiting jobs a pod, for the alternative."""

    def scaling(self) -> Setting:
        """Without a pin or a pause, which say that nothing scales; decided every 2 s, which takes half the time of the
        operator's every second.
        """
        rules = replace(self.rules, pinned=None, paused=ScalingPause.NONE, tick_seconds=TICK_SECONDS)
        return replace(self, rules=rules)

    @property
    def allowed_late(self) -> float:
        """Per cent of the jobs that may wait longer than the objective."""
        return 100 - self.rules.objective_percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One history under each policy."""

    pool: Figures
    keda: Figures
    fixed: Figures
    fixed_pods: int
    """The fewest that keep the promise, the most allowed if none do, or the number that was given."""
    recorded: Figures | None
    """What the jobs really waited, if that is known."""


def pool_figures(trace: Trace, setting: Setting, *, epoch: float) -> Figures:
    """The pool's own decisions, by `scaling.plan`; `epoch` is when the trace begins."""
    policy = Bullpen(setting.rules, epoch=epoch)
    return _figures(_played(trace, policy, setting, least=setting.rules.min_replicas), setting)


def compared(history: History, setting: Setting, *, fixed_pods: int | None = None) -> Comparison:
    """Play it under all of them."""
    setting, trace = setting.scaling(), history.trace()
    pods, fixed = _fixed(trace, setting) if fixed_pods is None else (fixed_pods, _fixed_at(trace, setting, fixed_pods))
    keda = _played(trace, keda_list_length(setting.list_length), setting, least=setting.rules.min_replicas)
    waits = history.waits
    return Comparison(
        pool=pool_figures(trace, setting, epoch=history.began),
        keda=_figures(keda, setting),
        fixed=fixed,
        fixed_pods=pods,
        recorded=Figures.recorded(waits, objective=setting.rules.objective_seconds) if waits else None,
    )


def _fixed(trace: Trace, setting: Setting) -> tuple[int, Figures]:
    """The fewest pods that keep the promise, found by halving: more pods never make jobs wait longer."""
    low, high = 1, max(setting.rules.max_replicas, 1)
    best = _fixed_at(trace, setting, high)
    while low < high:
        middle = (low + high) // 2
        tried = _fixed_at(trace, setting, middle)
        if tried.late <= setting.allowed_late:
            high, best = middle, tried
        else:
            low = middle + 1
    return high, best


def _fixed_at(trace: Trace, setting: Setting, pods: int) -> Figures:
    return _figures(_played(trace, Fixed(), setting, least=pods, most=pods), setting)


def _played(trace: Trace, policy: Policy, setting: Setting, *, least: int, most: int | None = None) -> Outcome:
    world = World(
        trace,
        slots=setting.rules.concurrency,
        objective=setting.rules.objective_seconds,
        seed=SEED,
        most_pods=setting.rules.max_replicas if most is None else most,
        least_pods=least,
        start_seconds=setting.start_seconds,
        grace_seconds=setting.drain_seconds,
    )
    return world.run(policy)


def _figures(outcome: Outcome, setting: Setting) -> Figures:
    return Figures.of(outcome, objective=setting.rules.objective_seconds)
