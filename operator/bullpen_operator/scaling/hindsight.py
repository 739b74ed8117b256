"""How few slots would have kept the objective, seen from afterwards: what a pool needs for its load to come again.

A recommendation is made for pods that still have to start and for jobs not seen yet; with those slots there throughout,
fewer would have done. In network calculus the jobs that came are an arrival curve, n slots a service curve, and the
longest wait the horizontal distance between the two (Le Boudec and Thiran, Network Calculus, theorem 1.4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bullpen_operator.scaling.numbers import MOST_JOBS

MARKS: Final = 48
"""Moments remembered, so that a load is judged over at most so many of them."""
MARK_SHARE: Final = 1 / 6
"""Of the objective, from one mark to the next: a job's wait is known that precisely."""
MARGIN: Final = 0.8
"""Of the objective that the wait may take: it is known to a mark, and the next load is not quite like the last."""
LEAST_MARGIN: Final = 0.15
"""Of the objective that is left however long pods take to start (scaling.md §4, b)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """What came, at marks: when, jobs that had come by then, and slots that were taken then."""

    marks: tuple[tuple[float, float, int], ...] = ()
    total: float = 0.0


def noted(arrivals: Arrivals, *, came: float, active: int, now: float, objective: float) -> Arrivals:
    """With so many jobs more, of which `active` have a slot."""
    marks, total = arrivals.marks, arrivals.total + came
    if total > MOST_JOBS or (marks and marks[-1][0] > now):
        marks, total = (), 0.0  # a clock that was set back
    if not marks or now - marks[-1][0] >= MARK_SHARE * objective:
        marks = (*marks[-MARKS + 1 :], (now, total, active))
    return Arrivals(marks=marks, total=total)


def sufficed(arrivals: Arrivals, *, service: float, objective: float, now: float, late: float = 0.0) -> float:
    """The fewest slots that start all jobs since any mark within the objective's margin, there from `late` seconds on.

    From a mark at s until now, t, with T of the objective: the jobs that ran at s and those that came since are to have
    started by t + T, and n slots start n · (1 + (t − s + T) ÷ S) jobs in that time in the fluid first-in-first-out
    model of scaling.md §4. The most of it over t is what sufficed for all jobs; it never takes more than one slot a
    job, and neither more jobs nor longer ones take fewer.
    """
    total, until, most = arrivals.total, now + max(MARGIN * objective - late, LEAST_MARGIN * objective), 0.0
    for at, came_by, active in arrivals.marks:
        came, times = total - came_by, (until - at) / service
        most = max(most, min((active + came) / (1 + times), came / times))
    return most
