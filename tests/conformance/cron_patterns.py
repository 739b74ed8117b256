"""Cron patterns and moments to compare with Node: seeded, and gathered around the days on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

HALF_HOUR: Final = "Australia/Lord_Howe"
# Gaps and overlaps at 2:00 and 1:00 and at midnight, of half an hour, with winter time as the exception, and none.
ZONES: Final = (
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Asuncion",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kolkata",
    HALF_HOUR,
)
_FROM, _TO = datetime(2015, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
_WEEKDAYS: Final = ("sun", "mon", "TUE", "wed", "thu", "FRI", "sat")
_MONTHS: Final = ("jan", "feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "OCT", "nov", "dec")
_AROUND: Final = (-86_400_000, -10_800_000, -3_600_000, -1_800_000, -1_000, -1, 0, 1, 1_800_000, 3_600_000)

Case = tuple[str, str, int]


def cases(seed: int, count: int) -> list[Case]:
    """Patterns, each with a zone and a moment in epoch ms."""
    chance = Random(seed)
    changes = {name: _changes(name) for name in ZONES}
    made = []
    for number in range(count):
        name = ZONES[number % len(ZONES)]
        moment = chance.choice(changes[name]) if changes[name] else chance.randrange(_ms(_FROM), _ms(_TO))
        shift = chance.choice((0, 0, 0, chance.randint(-7_200_000, 7_200_000)))
        around = chance.choice(_AROUND)
        if name == HALF_HOUR and abs(around + shift) < 3_600_000:
            # How Node plans single hours here depends on the second at which it is asked, up to an hour before.
            around, shift = -10_800_000, 0
        made.append((_pattern(chance), name, moment + around + shift))
    return made


def _changes(name: str) -> list[int]:
    """The moments at which the clock of a zone is changed."""
    zone, found, at = ZoneInfo(name), [], _FROM
    offset = at.astimezone(zone).utcoffset()
    while at < _TO:
        at += timedelta(minutes=30)
        if (new := at.astimezone(zone).utcoffset()) != offset:
            found.append(_ms(at))
            offset = new
    return found


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _pattern(chance: Random) -> str:
    minute = _field(chance, 0, 59, often=(0, 15, 30, 45, 59))
    # A list or a range of all hours is left out: Node takes it for `*` in some zones and not in others.
    hour = _field(chance, 0, 23, often=(0, 1, 2, 3, 4, 23))
    kind = chance.random()
    day = "*" if kind < 0.55 else chance.choice(("L", "1,L", "?")) if kind < 0.7 else _field(chance, 1, 28)
    month = "*" if chance.random() < 0.7 else _field(chance, 1, 12, names=_MONTHS)
    kind = chance.random()
    if kind < 0.08 and day in "*?":  # Node 4 and 5 disagree about `#` beside a day of the month
        weekday = f"{chance.choice((str(chance.randint(0, 7)), chance.choice(_WEEKDAYS)))}#{chance.randint(1, 5)}"
    elif kind < 0.16:
        weekday = f"{chance.randint(0, 7)}L"
    else:
        weekday = chance.choice(("*", "*", "?")) if kind < 0.6 else _field(chance, 0, 6, names=_WEEKDAYS)
    second = [_field(chance, 0, 59, often=(0, 30))] if chance.random() < 0.25 else []
    return " ".join((*second, minute, hour, day, month, weekday))


def _field(chance: Random, lowest: int, highest: int, *, often: Sequence[int] = (), names: Sequence[str] = ()) -> str:
    def value() -> int:
        return chance.choice(often) if often and chance.random() < 0.6 else chance.randint(lowest, highest)

    def said(number: int) -> str:
        return names[number - lowest] if names and chance.random() < 0.5 else str(number)

    low, high = sorted((value(), value()))
    match chance.choices(range(6), weights=(30, 15, 25, 10, 7, 13))[0]:
        case 0:
            return "*"
        case 1:
            return f"*/{chance.choice([step for step in (2, 3, 5, 7, 10, 15, 20, 30) if step <= highest - lowest])}"
        case 2:
            return said(low)
        case 3 if (low, high) != (lowest, highest):
            return f"{said(low)}-{said(high)}"
        case 4:
            return f"{low}-{high}/{chance.randint(2, 4)}"
        case _:
            return ",".join(map(said, sorted({low, high, value()})))
