"""How long a pod takes from being asked for to being ready, learned from the steps up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from bullpen_operator.scaling.numbers import count, finite

_WEIGHT: Final = 0.1
"""Of one pod in the moving mean and variance: about the last ten pods count."""
_P90: Final = 1.2816
"""Quantile of the normal distribution."""
_SPREAD: Final = 0.35
"""Standard deviation of the logarithm before anything was seen; p90 is then 1.6 times the median."""
SHORTEST_LEAD: Final = 0.5
LONGEST_LEAD: Final = 300.0
"""A pod that needs longer is held up by something else (no node, no image), which more pods do not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """Log-normal pod starts: moving mean and variance of the logarithm, and the steps whose pods are still awaited."""

    mean: float | None = None
    variance: float = _SPREAD**2
    awaited: tuple[tuple[float, int], ...] = ()
    """When pods were asked for, and how many of them are not ready yet."""
    ready: int = 0
    """Pods ready at the last look."""

    def seconds(self, seed: float) -> float:
        """The time within which nine pods of ten are ready; `seed` until one was seen (scaling.md §2, Lead time)."""
        if self.mean is None:
            return min(max(finite(seed), SHORTEST_LEAD), LONGEST_LEAD)
        return min(max(math.exp(self.mean + _P90 * math.sqrt(self.variance)), SHORTEST_LEAD), LONGEST_LEAD)


def seen(lead: Lead, *, ready: int, now: float) -> Lead:
    """With the pods that became ready since the last look taken for those asked for first."""
    ready = count(ready)
    if ready == lead.ready and not lead.awaited:
        return lead
    fresh, rest = ready - lead.ready, []
    for asked_at, pods in lead.awaited:
        waited = now - asked_at
        if not 0 <= waited <= LONGEST_LEAD:
            continue
        came = min(max(fresh, 0), pods)
        fresh -= came
        if came:
            lead = _learned(lead, waited, came)
        if pods > came:
            rest.append((asked_at, pods - came))
    return replace(lead, awaited=tuple(rest), ready=ready)


def asked(lead: Lead, *, pods: int, now: float) -> Lead:
    """With a step up by so many pods."""
    return replace(lead, awaited=(*lead.awaited, (now, pods))[-16:])


def shrunk(lead: Lead) -> Lead:
    """After a step down nobody knows which of the awaited pods are still to come."""
    return replace(lead, awaited=()) if lead.awaited else lead


def _learned(lead: Lead, waited: float, pods: int) -> Lead:
    value = math.log(max(waited, SHORTEST_LEAD))
    if lead.mean is None:
        return replace(lead, mean=value)
    weight = 1 - (1 - _WEIGHT) ** pods
    off = value - lead.mean
    # West (1979), weighted incremental variance.
    return replace(lead, mean=lead.mean + weight * off, variance=(1 - weight) * (lead.variance + weight * off * off))
