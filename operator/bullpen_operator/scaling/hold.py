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

FACTORS: Final = (1, 2, 4, 8, 16, 32)
"""The times to hold, as multiples of stabilizationSeconds: about an hour at most with its default."""
MEMORY_SECONDS: Final = 7200.0
"""What a time to hold has cost is forgotten exponentially."""
CHANGES_AN_HOUR: Final = 400 / 24
"""What a pool may change its number on average (scaling.md §5)."""
CHANGE_PRICE: Final = 300.0
"""Pod-seconds that letting pods go must save once there were so many changes in the last hour; it grows with the square
of their number, so that the first ones cost next to nothing.
"""
CHANGES_A_CYCLE: Final = 3.0
"""Pods that are let go and come again take a change down, one up by the formula and one to what sufficed before."""
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
    """Falls of the level, each of which is undone by a rise."""
    fell_at: float = -math.inf


Needs = tuple[tuple[float, int], ...]
"""When so many pods were needed, without those after which as many were needed again: each is the maximum of what came
since (a monotonic queue).
"""


def spans(shortest: float) -> tuple[float, ...]:
    """The times to hold, in seconds."""
    return tuple(factor * max(shortest, 1.0) for factor in FACTORS)


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


def followed(courses: Sequence[Course], found: Sequence[int], *, now: float, seconds: float) -> tuple[Course, ...]:
    """The courses so many seconds later."""
    keep = math.exp(-seconds / MEMORY_SECONDS)
    after = []
    for course, level in zip(courses or (Course(),) * len(found), found, strict=True):
        changes, fell_at = course.changes * keep, course.fell_at
        if level < course.level:
            if not 0 <= now - fell_at < ONE_CHANGE_SECONDS:
                changes += 1
            fell_at = now
        after.append(Course(level, course.rent * keep + course.level * seconds, changes, fell_at))
    return tuple(after)


def cheapest(courses: Sequence[Course], *, price: float) -> int:
    """Which course has cost least, at `price` pod-seconds for a fall and the rise after it; the shortest of equals."""
    costs = [course.rent + price * course.changes for course in courses]
    return costs.index(min(costs)) if costs else 0
