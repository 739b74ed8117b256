"""For how long pods are kept that the load may need again, learned from how it came and went.

Keeping them costs pod-seconds, letting them go costs two changes of the number, and pods that start when the jobs are
there already. Which is less depends on how long the load stays away; so a few times to hold are followed all along,
each with the pod-seconds and the changes it would have cost, and the cheapest is taken: prediction with expert advice
(Cesa-Bianchi and Lugosi, 2006, §2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bullpen_operator.scaling.visits import grown

if TYPE_CHECKING:
    from collections.abc import Sequence

SPANS: Final = (0.0, 240.0, 480.0, 960.0, 1920.0, 3840.0)
"""The times to hold in seconds; the first is none beyond stabilizationSeconds and idleSeconds."""
MEMORY_SECONDS: Final = 7200.0
"""What a time to hold has cost is forgotten exponentially."""
CHANGES_AN_HOUR: Final = 400 / 24
"""What a pool may change its number on average (scaling.md §5)."""
FREE_CHANGES: Final = 2.0
"""Of an hour: a pool that grew for its first load, and shrinks again, owes nothing."""
CHANGE_PRICE: Final = 400.0
"""Pod-seconds that a change must save at `CHANGES_AN_HOUR`: with it, pools whose load comes and goes all day change
about so often on average (docs/autoscaling.md).
"""
ONE_CHANGE_SECONDS: Final = 60.0
"""Steps within so many seconds are one change: they would be made together."""
LONGEST_QUEUE: Final = 64

Needs = tuple[tuple[float, int], ...]
"""When so many pods were needed, without those after which as many were needed again: each is the maximum of what came
since (a monotonic queue).
"""


def price(changes: float) -> float:
    """Pod-seconds that a change must save, after so many in the last hour: it rises until no more are worth it."""
    return CHANGE_PRICE * max(changes - FREE_CHANGES, 0.0) / (CHANGES_AN_HOUR - FREE_CHANGES)


def needed(needs: Needs, pods: int, *, now: float) -> Needs:
    """With one more, without those that no time to hold looks back to."""
    kept, oldest = needs, now - SPANS[-1]
    if kept and not (oldest < kept[0][0] and kept[-1][0] <= now):
        kept = tuple(entry for entry in kept if oldest < entry[0] <= now)
    while kept and kept[-1][1] <= pods:
        kept = kept[:-1]
    if len(kept) >= LONGEST_QUEUE:  # nobody minds that two are taken for the larger of them
        kept = (*kept[:-2], (kept[-1][0], kept[-2][1]))
    return (*kept, (now, pods))


def level(needs: Needs, *, now: float, span: float) -> int:
    """The most that was needed in so many seconds."""
    return next((pods for at, pods in needs if at > now - span), 0)


@dataclass(frozen=True, slots=True)
class Course:
    """What one time to hold would have meant so far."""

    level: int = 0
    """Pods now."""
    rent: float = 0.0
    """Pod-seconds."""
    changes: float = 0.0
    rose_at: float = -math.inf
    fell_at: float = -math.inf


def followed(course: Course, found: int, *, warm: int, cold: int, now: float, seconds: float, settle: float) -> Course:
    """The course so many seconds later, when `found` are to be held; it rises to what the load is likely to need, and
    falls no sooner than `settle` after, but to zero.
    """
    keep = math.exp(-seconds / MEMORY_SECONDS)
    held, changes, rose_at, fell_at = course.level, course.changes * keep, course.rose_at, course.fell_at
    if found > held:
        changes += not 0 <= now - rose_at < ONE_CHANGE_SECONDS
        held, rose_at = grown(held, warm=max(warm, found), cold=max(cold, found)), now
    elif found < held and not (found and 0 <= now - rose_at < settle):
        changes += not 0 <= now - fell_at < ONE_CHANGE_SECONDS
        held, fell_at = found, now
    return Course(held, course.rent * keep + held * seconds, changes, rose_at, fell_at)


def cheapest(courses: Sequence[Course], *, price: float, present: int) -> int:
    """Which course has cost least; the present one as long as no other saves more than a change down and one up."""
    costs = [course.rent + price * course.changes for course in courses]
    if not costs or costs[present] <= min(costs) + 2 * price:
        return present
    return costs.index(min(costs))
