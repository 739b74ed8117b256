"""Cron patterns as Node's cron-parser understands them (protocol §8.2): when is the next run after a moment?

The calendar is CronSim's. Two things are ours, because CronSim follows Debian's cron and BullMQ does not:

- the wording: `?`, weekday names before `L`, nicknames, ranges of one value with a step (`7-7/2`, which is 7), and
  steps of days (`*/2`), which Debian takes for a wildcard and Node for a list of days, so that the other day field is
  a second choice instead of a condition;
- the clock: CronSim computes on the wall clock, without a zone; which moment a wall time is on the two days a year on
  which the clock is changed is `_moment` and `_repeated`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import shown

if TYPE_CHECKING:
    from datetime import tzinfo

FIELDS: Final = ("second", "minute", "hour", "day of month", "month", "day of week")
# The nicknames that the cron-parser of both BullMQ generations knows.
_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_WEEKDAYS: Final = {name: str(day) for day, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_EVERY_HOUR: Final = re.compile(r"\*(/0*1)?|0?0-23(/0*1)?")
# What CronSim knows and cron-parser does not, so that no Node worker could plan it: working days, lists with #.
_DEBIAN_ONLY: Final = re.compile(r"\dW|LW|#.*,|,.*#", re.IGNORECASE)
_SOME_DAY: Final = datetime(2024, 1, 1)
_HOUR: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Cron:
    """A pattern of five fields, or of six with seconds first, in an IANA time zone (UTC unless said).

    Raises ConfigurationError, naming pattern and field, for what cron-parser does not know either, and for patterns
    of which no day ever comes.
    """

    pattern: str
    tz: str | None = None
    _fields: str = field(init=False, repr=False, compare=False)
    _every_hour: bool = field(init=False, repr=False, compare=False)
    _zone: tzinfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = _parts(self.pattern)
        object.__setattr__(self, "_fields", " ".join(parts))
        object.__setattr__(self, "_every_hour", _EVERY_HOUR.fullmatch(parts[-4]) is not None)
        object.__setattr__(self, "_zone", zone(self.tz))

    def after(self, moment: int) -> int:
        """The first run later than `moment`, both epoch ms. Raises ConfigurationError when there is none."""
        base = moment // 1000
        try:
            found = self._next(base)
            if self._every_hour and _offset(found, self._zone) < _offset(base, self._zone):
                found = min(found, self._repeated(base, found))
        except (OverflowError, ValueError, OSError) as error:  # a year that no datetime can say
            raise ConfigurationError(f"cron pattern {self.pattern!r} has no run after {moment}: {error}") from error
        return found * 1000

    def _next(self, base: int) -> int:
        """The next run of the wall clock in epoch s, an hour that comes twice counted once."""
        for wall in CronSim(
            self._fields, _wall(base, self._zone)
        ):  # CronSim ends after 50 years; the days of leap years come sooner
            found = self._moment(wall, base)
            if found is not None:
                return found
        raise ConfigurationError(f"cron pattern {self.pattern!r} has no further run: give days that exist")

    def _moment(self, wall: datetime, base: int) -> int | None:
        """When the wall clock shows this; None for a time that it jumps over and that is not made up for.

        As in Node: what falls into a missing hour runs an hour later; but not where only a part of an hour is
        missing, or midnight, from which Node counts the day.
        """
        first = _moment(wall, self._zone)
        shown = _wall(first, self._zone)
        if shown == wall:
            return first if first > base else _moment(wall.replace(fold=1), self._zone)
        hour = wall.replace(minute=0, second=0)
        hour_missing = shown - wall == _HOUR and _wall(_moment(hour, self._zone), self._zone) != hour
        return first if hour_missing and hour.hour != 0 and not self._every_hour else None

    def _repeated(self, base: int, found: int) -> int:
        """Patterns of every hour run in both of two equal hours: the first run after the clock was put back."""
        before, after = base, found
        while after - before > 1:
            middle = (before + after) // 2
            if _offset(middle, self._zone) == _offset(base, self._zone):
                before = middle
            else:
                after = middle
        wall = next(CronSim(self._fields, _wall(after, self._zone) - _SECOND))
        return _moment(wall.replace(fold=1), self._zone)


def zone(name: str | None) -> tzinfo:
    """A time zone by its IANA name; UTC for None. Raises ConfigurationError for a name that is none."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    # ZoneInfoNotFoundError is a KeyError; names of folders and odd paths are an OSError or a ValueError.
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise ConfigurationError(
            f"time zone (tz) {shown(name)} is unknown: use an IANA name, such as 'Europe/Berlin'"
        ) from error


@lru_cache(maxsize=256)
def cron(pattern: str, tz: str | None = None) -> Cron:
    """`Cron`, remembered: a worker plans the same few patterns again and again."""
    return Cron(pattern, tz)


def _moment(wall: datetime, zone: tzinfo) -> int:
    """The epoch s at which the wall clock shows this; a missing time comes out moved over the gap."""
    return int(wall.replace(tzinfo=zone).timestamp())


def _wall(moment: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)


def _offset(moment: int, zone: tzinfo) -> timedelta:
    return datetime.fromtimestamp(moment, zone).utcoffset() or timedelta()


def _parts(pattern: str) -> list[str]:
    """The fields in CronSim's words."""
    if not isinstance(pattern, str) or not pattern.strip():
        raise ConfigurationError(f"cron pattern is {pattern!r}: give five fields, for example '0 3 * * *'")
    text = _NICKNAMES.get(pattern.strip().lower(), pattern)
    parts = re.sub(r"(?<![\d-])(\d+)-\1/\d+", r"\1", text).split()
    if len(parts) not in (5, 6):
        raise ConfigurationError(
            f"cron pattern {shown(pattern)} has {len(parts)} fields: give minute, hour, day of month, month and day of "
            "week, with seconds before them if wanted"
        )
    parts[-3], parts[-1] = _days(parts[-3], 1, 31), _weekdays(parts[-1])
    names = FIELDS[-len(parts) :]
    for number, (name, part) in enumerate(zip(names, parts, strict=True)):
        _check(pattern, name, text.split()[number], ["*" if at != number else part for at in range(len(parts))])
    try:
        CronSim(" ".join(parts), _SOME_DAY)
    except CronSimError as error:
        raise ConfigurationError(
            f"cron pattern {pattern!r}: no month of field {parts[-2]!r} has a day of month {parts[-3]!r}"
        ) from error
    return parts


def _check(pattern: str, name: str, given: str, fields: list[str]) -> None:
    cause = None
    if not _DEBIAN_ONLY.search(given):
        try:
            CronSim(" ".join(fields), _SOME_DAY)
        except CronSimError as error:
            cause = error
        else:
            return
    raise ConfigurationError(
        f"cron pattern {shown(pattern)}: {name} {shown(given)} is not understood; use numbers in range, "
        "names of three letters, lists, ranges a-b, steps /n, L for the last day and 5#2 for the second Friday"
    ) from cause


def _days(part: str, lowest: int, highest: int) -> str:
    """A day field: `?` is no condition, and steps are a list of days as they are for Node, no wildcard."""
    if part == "?":
        return "*"
    return re.sub(r"^\*/(?=\d)(?!0*1$)", f"{lowest}-{highest}/", part)


def _weekdays(part: str) -> str:
    named = re.sub(r"[a-z]{3}", lambda found: _WEEKDAYS.get(found[0].lower(), found[0]), part, flags=re.IGNORECASE)
    return _days(named, 0, 6)
