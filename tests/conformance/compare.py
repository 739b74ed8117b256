"""Differences between two normalised values, each with the path at which it was found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PTTL_TOLERANCE_MS = 3_000  # Redis' own clock runs while the injected one stands
MEASURED_BY_REDIS = frozenset({"pttl", "limited"})


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two values differ; `ABSENT` on a side that has nothing there."""

    path: tuple[str, ...]
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        return f"{' / '.join(self.path)}: BullMQ {self.theirs!r}, ours {self.ours!r}"

    def added_or_removed(self) -> list[Any]:
        """The list elements that only one side has, for a difference inside a list or stream."""
        return [item for side in (self.theirs, self.ours) if isinstance(side, list) for item in side]


def differences(theirs: Any, ours: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Yield every difference; an empty iteration means equal."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            yield from differences(theirs.get(key, ABSENT), ours.get(key, ABSENT), (*path, key))
    elif isinstance(theirs, list) and isinstance(ours, list):
        yield from _sequence(theirs, ours, path)
    elif path and path[-1] in MEASURED_BY_REDIS and isinstance(theirs, int) and isinstance(ours, int):
        if abs(theirs - ours) > PTTL_TOLERANCE_MS:
            yield Difference(path, theirs, ours)
    elif type(theirs) is bool or type(ours) is bool:
        if theirs is not ours:
            yield Difference(path, theirs, ours)
    elif theirs != ours:
        yield Difference(path, theirs, ours)


def _sequence(theirs: list[Any], ours: list[Any], path: tuple[str, ...]) -> Iterator[Difference]:
    """Align two lists, so that one missing event is one difference and not a shift of all that follow."""
    left, right = ([json.dumps(item, sort_keys=True) for item in side] for side in (theirs, ours))
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Difference(path, theirs[a:b] or ABSENT, ours[c:d] or ABSENT)
