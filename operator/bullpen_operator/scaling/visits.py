"""How many pods a load needed each time it came, so that it is met in one step when it comes again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

VISITS: Final = 16
"""Visits remembered: a share of one in sixteen is still seen."""
LONGEST_SECONDS: Final = 3600.0
"""A load that stays is told anew each hour."""


@dataclass(frozen=True, slots=True)
class Visit:
    """The load from its first job until the queue was idle."""

    since: float
    warm: int = 0
    """Pods that sufficed, there from the first job on."""
    cold: int = 0
    """Pods that sufficed, asked for at the first job."""
    seconds: float = 0.0
    """How long it stayed."""


def seen(
    visit: Visit | None, visits: tuple[Visit, ...], *, warm: int, cold: int, idle: bool, now: float
) -> tuple[Visit | None, tuple[Visit, ...]]:
    """The present visit and those before it, with what was needed now."""
    if visit is not None and (idle or not 0 <= now - visit.since < LONGEST_SECONDS):
        if visit.warm:
            visits = (*visits, Visit(visit.since, visit.warm, visit.cold, max(now - visit.since, 0.0)))[-VISITS:]
        visit = None
    if idle:
        return None, visits
    if visit is None:
        return Visit(now, warm, cold), visits
    return Visit(visit.since, max(visit.warm, warm), max(visit.cold, cold)), visits


def likely(visits: Sequence[Visit], *, price: float) -> tuple[int, int]:
    """The visit's needs to grow to at once: those with which the visits so far would have cost least.

    A visit that needs no more costs its time in pods, one that needs more the most there was, and the price of another
    change: empirical risk, minimised over what was seen.
    """
    most = max((visit.cold for visit in visits), default=0)
    best, least = (0, 0), math.inf
    for level in visits:
        cost = sum(
            level.cold * visit.seconds if visit.cold <= level.cold else most * visit.seconds + price for visit in visits
        )
        if (cost, -level.cold) < (least, -best[1]):
            best, least = (level.warm, level.cold), cost
    return best


def largest(visits: Sequence[Visit]) -> tuple[int, int]:
    """The most that any of them needed."""
    return max((visit.warm for visit in visits), default=0), max((visit.cold for visit in visits), default=0)


def grown(pods: int, *, warm: int, cold: int) -> int:
    """What so many pods grow to for a load for which `warm` would do if they were there, and `cold` if none was."""
    if warm <= pods:
        return pods
    return pods + math.ceil((warm - pods) * cold / warm - 1e-9)
