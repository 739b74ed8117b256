"""One line of a benchmark's summary, and whether its target is reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`target` as text and `met` whether it is reached, None where there is none."""

    measure: str
    value: str
    target: str = ""
    met: bool | None = None


def show(figures: Iterable[Figure]) -> str:
    """The table."""
    marks = {True: "met", False: "MISSED", None: ""}
    lines = [f"{each.measure:<55} {each.value}  {each.target} {marks[each.met]}".rstrip() for each in figures]
    return "\n".join(lines)
