"""Job schedulers: when their jobs run, and what those jobs carry (protocol §8)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bullpen.errors import ConfigurationError, ProtocolError
from bullpen.protocol.arguments import LONGEST_NAME, check_flag, shown
from bullpen.protocol.cron import Cron, cron
from bullpen.protocol.numbers import LONGEST_MS, check_whole
from bullpen.protocol.options import JobOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.replies import JobRecord

# What an iteration adds to the options of its template; everything else it hands on.
_OWN: Final = frozenset(("repeat", "repeatJobKey", "prevMillis"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """When a scheduler's jobs run: `every` so many ms, or by a cron `pattern` in the time zone `tz` (None = UTC).

    At most `limit` jobs; not before `start` and not after `end` (epoch ms). `offset` (ms) is where in the interval
    the runs are; `immediately` makes the first run of a pattern now. An interval without `start` and `offset` begins
    now anyway. Raises ConfigurationError for what contradicts itself.
    """

    every: int | None = None
    pattern: str | None = None
    tz: str | None = None
    limit: int | None = None
    start: int | None = None
    end: int | None = None
    offset: int | None = None
    immediately: bool = False

    def __post_init__(self) -> None:
        if (self.every is None) == (self.pattern is None):
            raise ConfigurationError("a schedule needs an interval or a cron pattern, one of the two")
        if self.every is not None:
            check_whole("schedule every (ms)", self.every, lowest=1, highest=LONGEST_MS)
        if self.limit is not None:
            check_whole("schedule limit", self.limit, lowest=1)
        for what, moment in (("start", self.start), ("end", self.end), ("offset", self.offset)):
            if moment is not None:
                check_whole(f"schedule {what} (ms)", moment, highest=LONGEST_MS)
        check_flag("schedule immediately", self.immediately)
        if self.immediately and self.start is not None:
            raise ConfigurationError("a schedule begins immediately or at its start: leave out one of the two")
        _check_texts(("cron pattern", self.pattern), ("tz", self.tz))
        if self.pattern is not None:
            self.cron  # noqa: B018 - refuses a pattern or a zone that is none
            if self.offset is not None:
                raise ConfigurationError("schedule offset belongs to an interval: say it in the cron pattern instead")
        elif self.tz is not None:
            raise ConfigurationError(f"schedule tz {self.tz!r} belongs to a cron pattern: an interval has no time zone")

    @property
    def cron(self) -> Cron:
        """The pattern, understood."""
        assert self.pattern is not None  # noqa: S101 - asked for patterns only
        return cron(self.pattern, self.tz)

    def first(self, now: int) -> int | None:
        """The first run of a pattern in epoch ms; None for an interval, whose runs are computed in Redis.

        Raises ConfigurationError when it ends before it begins.
        """
        if self.end is not None and self.end <= now:
            raise ConfigurationError(f"schedule end is {self.end}, which is over (it is {now}): give a later time")
        if self.pattern is None:
            if self.end is not None and self.start is not None and self.end < self.start:
                raise ConfigurationError(f"schedule end {self.end} is before its start {self.start}: nothing would run")
            return None
        run = now if self.immediately else self.cron.after(max(now, self.start or 0))
        if self.end is not None and run > self.end:
            raise ConfigurationError(
                f"schedule of cron pattern {self.pattern!r}: its first run, {run}, is after its end, {self.end}"
            )
        return run

    def following(self, now: int, last: int) -> int | None:
        """The run of a pattern after the run `last`, all epoch ms; None when it is over."""
        run = self.cron.after(max(now, last))
        return None if self.end is not None and run > self.end else run

    def stored(self, count: int) -> dict[str, Any]:
        """The `repeat` of a job's options; `count` is the number of the run."""
        return {**self._fields(), "count": count}

    def record(self) -> dict[str, str]:
        """The fields of the scheduler's record, but for its offset."""
        return {name: str(value) for name, value in self._fields().items() if name != "offset"}

    def _fields(self) -> dict[str, Any]:
        given = {
            "every": self.every,
            "pattern": self.pattern,
            "tz": self.tz,
            "limit": self.limit,
            "startDate": self.start,
            "endDate": self.end,
            "offset": self.offset,
        }
        return {name: value for name, value in given.items() if value is not None}


def _check_texts(*texts: tuple[str, object]) -> None:
    for what, text in texts:
        if text is None:
            continue
        if not isinstance(text, str):
            raise ConfigurationError(f"schedule {what} is {shown(text)}: give a text")
        if len(text) > LONGEST_NAME:
            raise ConfigurationError(f"schedule {what} is {shown(text)}: give at most {LONGEST_NAME} characters")


@dataclass(frozen=True, slots=True)
class Template:
    """What each job of a scheduler is made from: its name, its data (JSON text) and its options.

    Raises ConfigurationError for options that belong to single jobs.
    """

    name: str
    data: str = "{}"
    options: JobOptions = field(default_factory=JobOptions)

    def __post_init__(self) -> None:
        for what, given in (
            ("an id", self.options.job_id),
            ("a delay", self.options.delay),
            ("a timestamp", self.options.timestamp),
            ("a parent", self.options.extra.get("parent")),
        ):
            if given:
                raise ConfigurationError(f"a schedule's jobs cannot have {what} of their own ({given!r}): leave it out")

    def record(self) -> dict[str, str]:
        """The fields of the scheduler's record; what says nothing is left out."""
        fields = {} if self.options == JobOptions() else {"opts": self.options.dump()}
        return fields if self.data == "{}" else fields | {"data": self.data}


@dataclass(frozen=True, slots=True)
class NextRun:
    """What a received job says about the run after it: `run` is its epoch ms, None when Redis computes it."""

    scheduler_id: str
    every: int | None
    run: int | None
    options: JobOptions
    repeat: Mapping[str, Any]


def options_head(options: JobOptions, *, scheduler_id: str, repeat: Mapping[str, Any], now: int) -> str:
    """The JSON of an iteration's options, up to where its id has its run: the script completes it (§8.1)."""
    added = {"repeat": repeat, "repeatJobKey": scheduler_id, "timestamp": now}
    extra = {name: value for name, value in options.extra.items() if name not in _OWN}
    text = replace(options, extra={**extra, **added}).dump()
    key = json.dumps(f"repeat:{scheduler_id}:", ensure_ascii=False)
    return f'{text.removesuffix("}")},"jobId":{key.removesuffix(chr(34))}'


def next_run(job: JobRecord, now: int) -> NextRun | None:
    """What is to be planned when this job is received (§8.4); None when it is the last, or of no scheduler.

    Raises ProtocolError or ConfigurationError for a job whose options cannot be understood.
    """
    scheduler_id = job.scheduler_id
    if scheduler_id is None:
        return None
    options = job.options
    stored = options.extra.get("repeat")
    if not isinstance(stored, dict) or ("every" in stored) == ("pattern" in stored):
        raise ProtocolError(f"job {job.id}: its option repeat is {stored!r}, which says neither interval nor pattern")
    count = _number(job, stored.get("count", 1))
    limit, end = stored.get("limit"), stored.get("endDate")
    if (limit is not None and count + 1 > _number(job, limit)) or (end is not None and now > _number(job, end)):
        return None
    every = run = None
    if "every" in stored:
        every = _number(job, stored["every"])
        if every < 1:
            raise ProtocolError(f"job {job.id}: its option repeat says every {every} ms: give 1 or more")
    else:
        repeat = Repeat(pattern=stored["pattern"], tz=stored.get("tz"), end=None if end is None else _number(job, end))
        run = repeat.following(now, _number(job, options.extra.get("prevMillis", 0)))
        if run is None:
            return None
    return NextRun(
        scheduler_id=scheduler_id,
        every=every,
        run=run,
        options=replace(options, delay=0, job_id=None, timestamp=None),
        repeat={**stored, "count": count + 1},
    )


def _number(job: JobRecord, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(f"job {job.id}: its option repeat holds {value!r} where a number belongs")
    return int(value)
