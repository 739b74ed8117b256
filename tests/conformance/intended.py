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
    """`paused` exists on our side only, with what BullMQ keeps in `wait`; counts show the same."""
    match difference.path:
        case ("paused",):
            return difference.theirs is ABSENT
        case ("wait",):
            return difference.ours is ABSENT
        case ("wait", "value"):
            return True
        case ("reply", "paused"):
            return difference.theirs is ABSENT
        case ("reply", "waiting"):
            return True
        case _:
            return False


INTENDED: Final = (
    Intended(
        topic="paused jobs",
        generations=frozenset({6}),
        items=frozenset({15, 36}),
        covers=_paused_list,
        reason="v5 resumes by renaming `paused` over `wait`; only jobs in `paused` survive that, so we write as v5 does",
    ),
)
