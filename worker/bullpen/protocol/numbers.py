"""Checks of numbers that a caller gives, before anything is sent."""

from __future__ import annotations

from typing import Final

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import shown

LARGEST: Final = 2**53 - 1
"""Up to here whole numbers are exact in Lua, in Node and in the scores of Redis."""
LONGEST_MS: Final = 2**52
"""Durations in ms: 142,000 years. Redis refuses expiries that do not fit its clock."""


def check_whole(what: str, value: object, *, lowest: int = 0, highest: int | None = None) -> None:
    """Raises ConfigurationError for what is no whole number, or none from `lowest` to `highest` (None = `LARGEST`)."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    most = LARGEST if highest is None else highest
    if whole and lowest <= value <= most:  # type: ignore[operator]
        return
    too_much = whole and value > most  # type: ignore[operator]
    upper = "or more" if highest is None and not too_much else f"to {most}"
    raise ConfigurationError(f"{what} is {shown(value)}: give a whole number, {lowest} {upper}")
