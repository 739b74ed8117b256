"""Checks of numbers that a caller gives, before anything is sent."""

from __future__ import annotations

from bullpen.errors import ConfigurationError


def check_whole(what: str, value: object, *, lowest: int = 0, highest: int | None = None) -> None:
    """Raises ConfigurationError for what is no whole number, or none from `lowest` to `highest` (None = no end)."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and lowest <= value and (highest is None or value <= highest):  # type: ignore[operator]
        return
    upper = "or more" if highest is None else f"to {highest}"
    raise ConfigurationError(f"{what} is {value!r}: give a whole number, {lowest} {upper}")
