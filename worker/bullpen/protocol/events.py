"""The event stream of a queue (protocol §10)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bullpen.errors import ProtocolError
from bullpen.protocol.call import Argument, Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.keys import QueueKeys

START = "0-0"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry: `id` is its place in the stream, `kind` its event name, `fields` the rest as text."""

    id: str
    kind: str
    fields: Mapping[str, str]

    @property
    def job_id(self) -> str | None:
        """The job it is about; None for events of the whole queue."""
        return self.fields.get("jobId")

    @property
    def at_ms(self) -> int:
        """When it was written, by the clock of the Redis server, in epoch ms."""
        return int(self.id.partition("-")[0])

    @property
    def due_ms(self) -> int | None:
        """When the job of a `delayed` event is due, in epoch ms; None for other kinds. Raises ProtocolError."""
        text = self.fields.get("delay")
        if text is None or self.kind != "delayed":
            return None
        try:
            return int(float(text))
        except (ValueError, OverflowError) as error:
            raise ProtocolError(f"event {self.id} ({self.kind}): delay is {text[:40]!r}, not a number") from error

    @property
    def failed_reason(self) -> str | None:
        """Why the job of a `failed` event failed; None for other kinds."""
        return self.fields.get("failedReason")

    def value(self) -> Any:
        """The JSON payload of `progress` and `completed`; raises ProtocolError when it is none."""
        text = self.fields.get("data" if self.kind == "progress" else "returnvalue", "null")
        try:
            return json.loads(text)
        except ValueError as error:
            raise ProtocolError(f"event {self.id} ({self.kind}) carries no JSON: {error}") from error


def read(keys: QueueKeys, *, after: str, count: int = 1000, block_ms: int | None = None) -> Call[tuple[Event, ...]]:
    """Events after the given id, oldest first, at most `count`; with `block_ms` > 0 waits that long for the first."""
    block: tuple[Argument, ...] = () if block_ms is None else ("BLOCK", max(block_ms, 1))
    return Call(command=("XREAD", "COUNT", count, *block, "STREAMS", keys.events, after), parse=_read)


def recent(keys: QueueKeys, *, since_ms: int, count: int) -> Call[tuple[Event, ...]]:
    """The newest events, at most `count`, none older than `since_ms` (epoch ms of the server); the newest first."""
    return Call(command=("XREVRANGE", keys.events, "+", since_ms, "COUNT", count), parse=_recent)


def last(keys: QueueKeys) -> Call[str]:
    """Id of the newest event, the place to read on from; `START` when there is none."""
    return Call(command=("XREVRANGE", keys.events, "+", "-", "COUNT", 1), parse=_last)


def _read(reply: list[Any] | None) -> tuple[Event, ...]:
    if not reply:
        return ()
    [[_stream, entries]] = reply
    return tuple(_event(entry_id, flat) for entry_id, flat in entries)


def _recent(reply: list[Any]) -> tuple[Event, ...]:
    return tuple(_event(entry_id, flat) for entry_id, flat in reply)


def _last(reply: list[Any]) -> str:
    return reply[0][0].decode() if reply else START


def _event(entry_id: bytes, flat: list[bytes]) -> Event:
    texts = iter(part.decode(errors="replace") for part in flat)
    fields = dict(zip(texts, texts, strict=True))
    return Event(id=entry_id.decode(), kind=fields.pop("event", ""), fields=fields)
