"""What the load needed so far, and what it would have cost to hold it for longer or shorter."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bullpen_operator.scaling import hold, visits
from bullpen_operator.scaling.hindsight import Arrivals

if TYPE_CHECKING:
    from bullpen_operator.scaling.rules import Rules

_STEP_SECONDS: Final = 60.0
_LONGEST_GAP: Final = 3600.0
"""What a gap in the readings is told in, and how much of it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Of one queue; the default has seen nothing."""

    arrivals: Arrivals = field(default_factory=Arrivals)
    needs: hold.Needs = ()
    """Pods that sufficed, in hindsight."""
    visit: visits.Visit | None = None
    visits: tuple[visits.Visit, ...] = ()
    likely: tuple[int, int] = (0, 0)
    """What the next visit is best met with: pods that are there, and pods that only start then."""
    courses: tuple[hold.Course, ...] = (hold.Course(),) * len(hold.SPANS)
    """What each time to hold would have cost."""
    course: int = 0
    """The one that is followed."""

    @property
    def span(self) -> float:
        """For how many seconds what was needed is held."""
        return hold.SPANS[self.course]

    @property
    def came_at(self) -> float | None:
        """When the present visit of the load began."""
        return None if self.visit is None else self.visit.since

    def needed(self, span: float, *, now: float) -> int:
        """The most pods that were needed in so many seconds."""
        return hold.level(self.needs, now=now, span=span)

    def foreseen(self, replicas: int) -> int:
        """The pods that a pool of so many, which must grow, is best grown to."""
        warm, cold = self.likely
        if warm <= replicas:
            warm, cold = visits.largest(self.visits if self.visit is None else (*self.visits, self.visit))
        return visits.grown(replicas, warm=warm, cold=cold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the past is brought up to."""

    now: float
    elapsed: float
    """Seconds since the last look; 0 when there was none, or none before."""
    rested: float | None
    """Since when the queue was idle at the last look."""
    rests: float | None
    """Since when it is idle now."""
    warm: int | None
    """Pods that sufficed; None while nobody knows."""
    cold: int
    """Pods that would have, asked for only when the jobs came."""
    price: float


def seen(past: Past, look: Look, rules: Rules) -> Past:
    """The past with one look more; the same look again changes nothing."""
    course = past.course
    if look.elapsed > 0 and past.visit is not None:
        course = hold.cheapest(past.courses, price=look.price, present=course)
    idle = look.rests is not None and look.now - look.rests >= rules.idle_seconds
    needs, visit, known = past.needs, past.visit, past.visits
    if look.warm is not None:
        needs = hold.needed(needs, look.warm, now=look.now)
    visit, known = visits.seen(visit, known, warm=look.warm or 0, cold=look.cold, idle=idle, now=look.now)
    likely = past.likely if known is past.visits else visits.likely(known, price=look.price)
    courses = _followed(past, needs, likely, look, rules)
    return replace(past, needs=needs, visit=visit, visits=known, likely=likely, course=course, courses=courses)


def _followed(
    before: Past, needs_now: hold.Needs, likely: tuple[int, int], look: Look, rules: Rules
) -> tuple[hold.Course, ...]:
    """The courses until now; over a gap with what was known before it."""
    courses, left = before.courses, min(look.elapsed, _LONGEST_GAP)
    warm, cold = likely
    while True:
        step = min(left, _STEP_SECONDS)
        left -= step
        now = look.now - left
        needs, rests = (before.needs, look.rested) if left else (needs_now, look.rests)
        courses = tuple(
            hold.followed(
                course, _found(course, span, needs, rests, now, rules),
                warm=warm, cold=cold, now=now, seconds=step, settle=rules.stabilization_seconds,
            )
            for course, span in zip(courses, hold.SPANS, strict=True)
        )  # fmt: skip
        if not left:
            return courses


def _found(course: hold.Course, span: float, needs: hold.Needs, rests: float | None, now: float, rules: Rules) -> int:
    """What a course holds now."""
    least = max(rules.min_replicas, 0)
    if not span and rests is not None:
        return least if now - rests >= rules.idle_seconds else max(course.level, least)
    return max(hold.level(needs, now=now, span=max(span, rules.stabilization_seconds)), least)
