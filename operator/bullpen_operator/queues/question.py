"""What is asked of one queue, and how the answer is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from bullpen.protocol.keys import QueueKeys
from bullpen_operator.queues.workers import UnreadableReplyError, workers
from bullpen_operator.scaling.observation import HORIZONS, QueueReading

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Question", "UnreadableReplyError", "reading"]

SCRIPT = (files("bullpen_operator.queues") / "scripts" / "reading.lua").read_text(encoding="utf-8")
SCRIPT_SHA1 = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""Redis names a script by its SHA-1."""

LOOKED_AT = 5000
"""Active jobs of one queue that are looked at for who runs them: some 3 ms of Redis."""

_FIELDS = 25
_HORIZONS = ",".join(str(seconds * 1000) for seconds in HORIZONS)


@dataclass(frozen=True, slots=True)
class Question:
    """One queue; pools that name the same one share the answer."""

    prefix: str
    queue: str
    nameless: bool = False
    """Its workers may send no heartbeats: who runs the active jobs is asked whether or not somebody is to drain."""

    @property
    def keys(self) -> QueueKeys:
        return _keys(self.prefix, self.queue)

    @property
    def key(self) -> str:
        """P, the prefix of all keys of the queue (bullmq-protocol.md §1.1)."""
        return self.keys.base

    def by_digest(self, now: float) -> tuple[str | int, ...]:
        """The command, for a server that has the script; `now` in seconds since the epoch."""
        return ("EVALSHA", SCRIPT_SHA1, *self._asked(now))

    def by_text(self, now: float) -> tuple[str | int, ...]:
        """The command that also teaches the server the script."""
        return ("EVAL", SCRIPT, *self._asked(now))

    def _asked(self, now: float) -> tuple[str | int, ...]:
        # Nine words with the head: a client without a password may not send more than ten (see the script).
        return 1, self.key, int(now * 1000), _HORIZONS, LOOKED_AT, int(self.nameless)


@lru_cache(maxsize=8192)  # asked for several times for each queue at each tick
def _keys(prefix: str, queue: str) -> QueueKeys:
    return QueueKeys(prefix, queue)


def reading(reply: object, *, now: float) -> QueueReading:
    """The reply of scripts/reading.lua as a value; `now` is what the question was asked with."""
    if not isinstance(reply, list) or len(reply) != _FIELDS:
        raise UnreadableReplyError(f"expected {_FIELDS} numbers, got {reply!r:.100}")
    exists, paused, waiting, due, active, delayed, failed, completed, children, limited_ms = _counts(reply[:10])
    due_within = reply[10]
    if not isinstance(due_within, list):
        raise UnreadableReplyError(f"expected a list, got {due_within!r:.100}")
    concurrency, next_due_ms, oldest_ms, newest_ms, added, finished, most, span_ms = map(_optional, reply[11:19])
    return QueueReading(
        at=now,
        exists=bool(exists),
        paused=bool(paused),
        waiting=waiting,
        due=due,
        active=active,
        delayed=delayed,
        failed=failed,
        completed=completed,
        # A job may be ready ahead of its time: promoted by hand, or stamped by a producer whose clock is
        # ahead.
        oldest_wait_seconds=_since(oldest_ms, now),
        newest_wait_seconds=_since(newest_ms, now),
        next_due_at=None if next_due_ms is None else next_due_ms / 1000,
        global_concurrency=concurrency,
        waiting_children=children,
        due_within=tuple(_counts(due_within)) if delayed else (),
        added=added,
        finished=finished,
        rate_limit=(most, span_ms / 1000) if most and span_ms else None,
        limited_seconds=limited_ms / 1000,
        newest_event=_id(reply[19]),
        workers=workers(reply[20:]),
    )


def _id(value: object) -> str | None:
    if value is None or isinstance(value, bytes):
        return None if value is None else value.decode()
    raise UnreadableReplyError(f"expected the ID of a stream's entry or nothing, got {value!r:.100}")


def _since(ready_ms: int | None, now: float) -> float | None:
    return None if ready_ms is None else max(0.0, now - ready_ms / 1000)


def _counts(values: Sequence[object]) -> list[int]:
    counts = [value for value in values if isinstance(value, int)]
    if len(counts) != len(values):
        raise UnreadableReplyError(f"expected numbers, got {values!r:.100}")
    return counts


def _optional(value: object) -> int | None:
    if value is None or isinstance(value, int):
        return value
    raise UnreadableReplyError(f"expected a number or nothing, got {value!r:.100}")
