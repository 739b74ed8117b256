"""Adding many jobs at once (protocol §2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bullpen.errors import ConfigurationError
from bullpen.protocol.call import Argument, Call, job_id
from bullpen.protocol.calls.add import check_single
from bullpen.protocol.options import JobOptions
from bullpen.protocol.replies import Added
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.protocol.keys import QueueKeys

MOST_JOBS: Final = 1000
"""As many as one call may add: Redis does nothing else meanwhile, and Lua's stack ends."""

_PLAIN: Final = JobOptions()


class Batch:
    """Jobs of one queue, put together for one call after the other.

    `len()` says how many the next call would add, 1,000 at most; `bytes` how many characters of data they have.
    `first` is the place of its first job among all, for errors.
    """

    def __init__(self, keys: QueueKeys, *, first: int = 0) -> None:
        self._keys = keys
        self._arguments: list[Argument] = []
        self._count = self.bytes = 0
        self._called = first
        self._known: JobOptions | None = None
        self._text = ""

    def __len__(self) -> int:
        return self._count

    def put(self, *, name: str, data: str, now: int, options: JobOptions = _PLAIN) -> None:
        """One more job, as for `add`; raises ConfigurationError with its place (0 is the first of all)."""
        if self._count == MOST_JOBS:
            raise ConfigurationError(f"a bulk call adds at most {MOST_JOBS} jobs: make the call, then go on")
        if options is not self._known:  # jobs of a bulk mostly share their options
            self._text = options.dump()
            self._check(name, data, options)
            self._known = None if options.size_limit is not None else options
        self._arguments += (
            options.job_id or "",
            name,
            data,
            self._text,
            now if options.timestamp is None else options.timestamp,
            options.delay,
            options.priority,
            1 if options.lifo else 0,
        )
        self._count += 1
        self.bytes += len(data)

    def call(self) -> Call[tuple[Added, ...]]:
        """Adds what was put since the last call: all of it, with the effects of single adds in order, or nothing."""
        if not self._count:
            raise ConfigurationError("a bulk call without jobs: put some first")
        command = (self._keys.base, *self._arguments)
        self._called += self._count
        self._count = self.bytes = 0
        self._arguments.clear()
        return Call(command=command, parse=_added, script=load("add_bulk"))

    def _check(self, name: str, data: str, options: JobOptions) -> None:
        try:
            check_single(options, data=data)
        except ConfigurationError as error:
            place = self._called + self._count
            raise ConfigurationError(f"job {place} of the bulk (0 is the first), {name!r}: {error}") from error


def together(calls: Sequence[Call[Added]]) -> Call[tuple[Added, ...]]:
    """Calls of `add` for one queue as one: at most 1,000, all of them or none, with the effects of each in turn."""
    command = list(calls[0].command)
    for call in calls[1:]:
        command += call.command[1:]
    return Call(command=tuple(command), parse=_added, script=load("add_bulk"))


def _added(reply: list[Any]) -> tuple[Added, ...]:
    parts = iter(reply)
    return tuple([Added(job_id(stored), how == 1, how == 2) for stored, how in zip(parts, parts, strict=True)])
