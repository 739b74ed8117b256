"""For how long pods are kept that the load may need again, learned from how it came and went.

Keeping them costs pod-seconds, letting them go costs two changes of the number. Which is less depends on how long the
load stays away; so a few times to hold are followed all along, each with the rent and the changes it would have cost,
and the cheapest is followed: prediction with expert advice (Cesa-Bianchi and Lugosi, 2006, §2), on rented skis
(Karlin et al., 1988).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SPANS: Final = (0.0, 240.0, 480.0, 960.0, 1920.0, 3840.0)
"""The times to hold in seconds; the first is none beyond stabilizationSeconds and idleSeconds."""
MEMORY_SECONDS: Final = 7200.0
"""What a time to hold has cost is forgotten exponentially."""
CHANGES_AN_HOUR: Final = 400 / 24
"""What a pool may change its number on average (scaling.md §5)."""
CHANGE_PRICE: Final = 200.0
"""Pod-seconds that a change must save."""
ONE_CHANGE_SECONDS: Final = 60.0
"""Falls within so many seconds are one change: they would be drained together."""
LONGEST_QUEUE: Final = 64


@dataclass(frozen=True, slots=True)
class Course:
    """What one time to hold would have meant so far."""

    level: int = 0
    """Pods held now."""
    rent: float = 0.0
    """Pod-seconds."""
    changes: float = 0.0
    rose_at: float = -math.inf
    fell_at: float = -math.inf


@dataclass(frozen=True, slots=True)
class Visit:
    """One coming of the load, from the first job to when the queue was idle."""

    since: float
    warm: int = 0
    """Pods that sufficed, there from the first."""
    cold: int = 0
    """Pods that sufficed, started only then."""
    seconds: float = 0.0


VISITS: Final = 16


def visited(visit: Visit | None, visits: tuple[Visit, ...], *, warm: int, cold: int, idle: bool, now: float) -> tuple[Visit | None, tuple[Visit, ...]]:
    if idle or (visit is not None and not 0 <= now - visit.since < SPANS[-1]):
        if visit is not None and visit.warm:
            visits = (*visits, Visit(visit.since, visit.warm, visit.cold, now - visit.since))[-VISITS:]
        visit = None
        if idle:
            return None, visits
    if visit is None:
        visit = Visit(now)
    return Visit(visit.since, max(visit.warm, warm), max(visit.cold, cold)), visits


def foreseen(visits: tuple[Visit, ...], price: float) -> tuple[int, int]:
    """The level to which growing at once would have cost least: pod-seconds of what was not needed, or another change."""
    if not visits:
        return 0, 0
    highest = max(visit.cold for visit in visits)
    best, least = visits[0], math.inf
    for level in visits:
        cost = sum(
            level.cold * visit.seconds if visit.cold <= level.cold else price + highest * visit.seconds
            for visit in visits
        )
        if cost < least or (cost == least and level.cold > best.cold):
            best, least = level, cost
    return best.warm, best.cold


Needs = tuple[tuple[float, int], ...]
"""When so many pods were needed, without those after which as many were needed again: each is the maximum of what came
since (a monotonic queue).
"""


def price(changes: float) -> float:
    """Pod-seconds that a change must save after so many in the last hour."""
    return CHANGE_PRICE * max(1.0, changes / CHANGES_AN_HOUR) ** 2


def needed(needs: Needs, pods: int, *, now: float, span: float) -> Needs:
    """With one more, without those longer than `span` ago."""
    kept = needs
    if kept and not (now - span < kept[0][0] and kept[-1][0] <= now):
        kept = tuple(entry for entry in kept if now - span < entry[0] <= now)
    while kept and kept[-1][1] <= pods:
        kept = kept[:-1]
    if len(kept) >= LONGEST_QUEUE:  # nobody minds that two are taken for the larger of them
        kept = (*kept[:-2], (kept[-1][0], kept[-2][1]))
    return (*kept, (now, pods))


def levels(needs: Needs, *, now: float, spans: Sequence[float]) -> list[int]:
    """The most that was needed in each of `spans`, which are in ascending order."""
    found, place = [], len(needs)
    for span in spans:
        while place and needs[place - 1][0] > now - span:
            place -= 1
        found.append(needs[place][1] if place < len(needs) else 0)
    return found


def grown(pods: int, warm: int, cold: int) -> int:
    """What a pool of so many grows to when the load comes again for which `warm` sufficed that were there, and `cold`
    that were only started then.
    """
    return max(pods, math.ceil(pods + (warm - pods) * cold / warm - 1e-9)) if warm > pods else pods


def followed(
    courses: Sequence[Course],
    found: Sequence[int],
    *,
    warm: int,
    cold: int,
    now: float,
    seconds: float,
    settle: float,
) -> tuple[Course, ...]:
    """The courses so many seconds later; none falls within `settle` of a rise."""
    keep = math.exp(-seconds / MEMORY_SECONDS)
    after = []
    for course, level in zip(courses or (Course(),) * len(found), found, strict=True):
        held, changes, rose_at, fell_at = course.level, course.changes * keep, course.rose_at, course.fell_at
        if level > held:
            if now - rose_at >= ONE_CHANGE_SECONDS:
                changes += 1
            held, rose_at = grown(held, max(warm, level), max(cold, level)), now
        elif level < held and (not level or now - rose_at >= settle):
            if now - fell_at >= ONE_CHANGE_SECONDS:
                changes += 1
            held, fell_at = level, now
        after.append(Course(held, course.rent * keep + held * seconds, changes, rose_at, fell_at))
    return tuple(after)


def cheapest(courses: Sequence[Course], *, price: float, now: int) -> int:
    """Which course has cost least, at `price` pod-seconds for a fall and the rise after it; the shortest of equals."""
    costs = [course.rent + price * course.changes for course in courses]
    best = min(costs, default=0.0)
    return now if not costs or costs[now] <= best + 2 * price else costs.index(best)
