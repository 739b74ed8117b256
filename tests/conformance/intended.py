"""Where we differ from a BullMQ generation on purpose: the column "ours" of bullmq-protocol.md §12, as data.

A row covers differences of one kind, in the named items of the checklist only. `test_intended.py` fails when a row is
not needed any more. The same rows are told in prose in docs/bullmq-compatibility.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.conformance.compare import ABSENT, Difference


@dataclass(frozen=True, slots=True)
class Intended:
    """One intended difference: from which generations, in which items of §13, of which kind, and why."""

    topic: str
    generations: frozenset[int]
    items: frozenset[int]
    covers: Callable[[Difference], bool]
    reason: str


def _paused_list(difference: Difference) -> bool:
    """`paused` exists on our side only, with what BullMQ keeps in `wait`."""
    match difference.path:
        case ("paused",):
            return difference.theirs is ABSENT
        case ("wait",):
            return difference.ours is ABSENT
        case _:
            return False


def _paused_count(difference: Difference) -> bool:
    return difference.path in {("reply", "paused"), ("reply", "waiting")}


def _marker(difference: Difference) -> bool:
    return difference.path == ("marker",) and difference.theirs is ABSENT


def _debounced(difference: Difference) -> bool:
    match difference:
        case Difference(path=("events", "value"), theirs=theirs, ours=list(ours)):
            return theirs is ABSENT and all(event[0] == ["event", "debounced"] for event in ours)
        case _:
            return False


INTENDED: Final = (
    Intended(
        topic="paused jobs",
        generations=frozenset({6}),
        items=frozenset({15, 36, 94}),
        covers=_paused_list,
        reason="v5 resumes by renaming `paused` over `wait`: only jobs in `paused` survive that, so we write as v5",
    ),
    Intended(
        topic="counts",
        generations=frozenset({6}),
        items=frozenset({94}),
        covers=_paused_count,
        reason="jobs in `paused`, which v6 does not count at all, are told apart from waiting ones, as v5 does",
    ),
    Intended(
        topic="release of a prioritized job (§6.3)",
        generations=frozenset({5, 6}),
        items=frozenset({65}),
        covers=_marker,
        reason="BullMQ puts no marker, so that an idle worker may sleep through the job; we wake one up",
    ),
    Intended(
        topic="`debounced` event",
        generations=frozenset({6}),
        items=frozenset({20, 21, 22, 23, 24, 26, 27, 28}),
        covers=_debounced,
        reason="listeners of v5 may know deduplicated jobs by this event; we emit it before `deduplicated`, as v5 does",
    ),
)
