"""Job schedulers (protocol §8): set and end them, plan their next run, look at them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bullpen.errors import ConfigurationError, ProtocolError
from bullpen.protocol.arguments import check_text
from bullpen.protocol.call import Argument, Call, job_id
from bullpen.protocol.calls.add import check
from bullpen.protocol.replies import pairs
from bullpen.protocol.schedule import next_run, options_head
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.options import JobOptions
    from bullpen.protocol.replies import JobRecord
    from bullpen.protocol.schedule import Repeat, Template

_BUSY: Final = {-10: "a job of its next run exists already", -11: "the jobs of its next 33 runs exist already"}


@dataclass(frozen=True, slots=True)
class Planned:
    """The job of a scheduler's next run: its id, and the ms until it is due."""

    job_id: str
    delay: int


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A scheduler as it is stored. Times are epoch ms, `every` and `offset` ms; `iterations` counts planned runs.

    `next` is the next run, or the last one of a scheduler that has ended. `data` and `options` are its template's.
    """

    id: str
    name: str
    next: int
    every: int | None
    pattern: str | None
    tz: str | None
    limit: int | None
    start: int | None
    end: int | None
    offset: int | None
    iterations: int
    data: Any
    options: Any


@dataclass(frozen=True, slots=True)
class Schedulers:
    """A page of schedulers, and how many there are in all."""

    page: tuple[Scheduler, ...]
    count: int


def upsert(keys: QueueKeys, *, scheduler_id: str, repeat: Repeat, template: Template, now: int) -> Call[Planned]:
    """Makes the scheduler, or changes it: its next job, if not begun, is replaced (§8.2).

    Raises ConfigurationError for an id, a template or times that cannot be, and, from the reply, when the job of the
    run exists already (-10, -11); nothing is written then.
    """
    check_scheduler_id(scheduler_id)
    check(template.options, data=template.data)
    first = repeat.first(now)
    record: list[Argument] = []
    for name, value in {**repeat.record(), **template.record()}.items():
        record += (name, value)
    return Call(
        command=(
            keys.base,
            scheduler_id,
            now,
            _or_empty(repeat.every),
            _or_empty(first),
            _or_empty(repeat.start),
            _or_empty(repeat.offset),
            template.name,
            template.data,
            options_head(template.options, scheduler_id=scheduler_id, repeat=repeat.stored(1), now=now),
            *_placement(template.options),
            *record,
        ),
        parse=partial(_planned, scheduler_id=scheduler_id),
        script=load("schedule_upsert"),
    )


def plan_next(keys: QueueKeys, *, job: JobRecord, now: int) -> Call[str | None] | None:
    """Adds the run after the received job's; the reply is its id, None when it is there already (§8.4).

    None instead of a call when nothing is to be planned: the job is of no scheduler, or the last of one. Raises
    ProtocolError or ConfigurationError for options that cannot be understood. To repeat it does no harm.
    """
    following = next_run(job, now)
    if following is None:
        return None
    scheduler_id, options = following.scheduler_id, following.options
    return Call(
        command=(
            keys.base,
            scheduler_id,
            job.id,
            now,
            _or_empty(following.every),
            _or_empty(following.run),
            options_head(options, scheduler_id=scheduler_id, repeat=following.repeat, now=now),
            *_placement(options),
        ),
        parse=_next,
        script=load("schedule_next"),
    )


def remove(keys: QueueKeys, *, scheduler_id: str) -> Call[bool]:
    """Ends a scheduler and removes its next job while that is delayed; False when there is none of that id (§8.5).

    Raises ConfigurationError for what is no id.
    """
    check_scheduler_id(scheduler_id)
    return Call(command=(keys.base, scheduler_id), parse=_removed, script=load("schedule_remove"))


def scheduler(keys: QueueKeys, *, scheduler_id: str) -> Call[Scheduler | None]:
    """One scheduler, None when there is none of that id."""
    return Call(
        command=(keys.base, scheduler_id),
        parse=partial(_found, scheduler_id=scheduler_id, keys=keys),
        script=load("scheduler"),
    )


def schedulers(keys: QueueKeys, *, start: int = 0, end: int = -1, ascending: bool = True) -> Call[Schedulers]:
    """Schedulers `start`..`end` (inclusive, negative from the end) by their next run, and how many there are.

    The number counts entries of old clients too (§8.6), which the page leaves out.
    """
    command = (keys.base, start, end, 1 if ascending else 0)
    return Call(command=command, parse=partial(_page, keys=keys), script=load("schedulers"))


def check_scheduler_id(scheduler_id: str) -> None:
    """Raises ConfigurationError for an id that would not survive in the ids of its jobs (`repeat:<id>:<ms>`)."""
    check_text("schedule id", scheduler_id)
    if ":" in scheduler_id:
        raise ConfigurationError(
            f"schedule id {scheduler_id!r} contains ':', which separates the parts of a Redis key: "
            "use another character"
        )


def _placement(options: JobOptions) -> tuple[Argument, ...]:
    dedup = options.deduplication
    return options.priority, 1 if options.lifo else 0, "" if dedup is None else dedup.id


def _or_empty(number: int | None) -> Argument:
    return "" if number is None else number


def _planned(reply: list[Any] | int, *, scheduler_id: str) -> Planned:
    if isinstance(reply, int):
        raise ConfigurationError(
            f"schedule {scheduler_id!r}: {_BUSY[reply]}; remove them, or give the schedule another id"
        )
    planned, delay = reply
    return Planned(job_id=job_id(planned), delay=delay)


def _next(reply: bytes) -> str | None:
    return job_id(reply) if reply else None


def _removed(reply: int) -> bool:
    return reply == 0


def _found(reply: list[Any], *, scheduler_id: str, keys: QueueKeys) -> Scheduler | None:
    run, record = reply
    return _scheduler(keys, scheduler_id, run, pairs(record)) if run else None


def _page(reply: list[Any], *, keys: QueueKeys) -> Schedulers:
    entries, count = reply
    found = [_scheduler(keys, job_id(stored), run, pairs(record)) for stored, run, record in entries]
    return Schedulers(page=tuple(each for each in found if each is not None), count=count)


def _scheduler(keys: QueueKeys, scheduler_id: str, run: bytes, record: dict[bytes, bytes]) -> Scheduler | None:
    if b"ic" not in record:
        return None  # §8.1: no scheduler, but an entry of an old client

    def text(name: bytes) -> str | None:
        return record[name].decode(errors="replace") if name in record else None

    try:
        return Scheduler(
            id=scheduler_id,
            name=text(b"name") or scheduler_id,
            next=int(run),
            every=_whole(record, b"every"),
            pattern=text(b"pattern"),
            tz=text(b"tz"),
            limit=_whole(record, b"limit"),
            start=_whole(record, b"startDate"),
            end=_whole(record, b"endDate"),
            offset=_whole(record, b"offset"),
            iterations=_whole(record, b"ic") or 0,
            data=json.loads(record.get(b"data", b"{}")),
            options=json.loads(record.get(b"opts", b"{}")),
        )
    except (ValueError, OverflowError) as error:
        key = f"{keys.base}repeat:{scheduler_id}"
        raise ProtocolError(f"scheduler {key} cannot be understood: {error}; remove it and set it again") from error


def _whole(record: dict[bytes, bytes], name: bytes) -> int | None:
    return int(float(record[name])) if name in record else None
