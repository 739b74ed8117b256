"""Durations as people write them: `"5s"`, `"1m"`, `"1h30m"`, or a number of seconds."""

from __future__ import annotations

import math
import re
from typing import Final, TypeAlias

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import shown
from bullpen.protocol.numbers import LONGEST_MS

Duration: TypeAlias = str | int | float

LONGEST_SECONDS: Final = LONGEST_MS // 1000

_LONGEST_TEXT = 100
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def seconds(value: Duration, *, of: str) -> float:
    """Read a duration; `of` names it in the error.

    Numbers are seconds, texts are numbers with a unit (ms, s, m, h, d), which may be joined: `"1h30m"`.
    Raises `ConfigurationError` for anything else, for negative values and for more than 142,000 years.
    """
    if isinstance(value, str):
        value = _read(value, of)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise _refusal(of, value)
    if value > LONGEST_SECONDS:
        raise ConfigurationError(f"{of}: {shown(value)} is too long; give at most {LONGEST_SECONDS} seconds")
    return float(value)


def _read(text: str, of: str) -> float:
    if len(text) > _LONGEST_TEXT:
        raise _refusal(of, text)
    if _WHOLE.fullmatch(text.strip()):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    try:
        return float(text)
    except ValueError:
        raise _refusal(of, text) from None


def milliseconds(value: Duration, *, of: str) -> int:
    """The same in whole milliseconds, the unit of the wire format."""
    return round(seconds(value, of=of) * 1000)


def spoken(duration: float) -> str:
    """A measured time for a log line: `12ms`, `4.2s`, `45s`, `2m 05s`, `1h 02m`."""
    if duration < 0.001:
        return "<1ms"
    if duration < 1:
        return f"{duration * 1000:.0f}ms"
    if duration < 10:
        return f"{duration:.1f}".removesuffix(".0") + "s"
    if duration < 60:
        return f"{duration:.0f}s"
    whole = round(duration)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def _refusal(of: str, value: object) -> ConfigurationError:
    return ConfigurationError(
        f'{of}: {shown(value)} is no duration; write seconds (5) or text like "5s", "1m", "1h30m"'
    )
