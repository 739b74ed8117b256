"""What a worker says of itself once a second: one field of `<prefix>:<queue>:bullpen:workers`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from bullpen.errors import ProtocolError
from bullpen.protocol.call import Call
from bullpen.protocol.replies import pairs
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.keys import QueueKeys

STALE_SECONDS = 60
EXPIRE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """State of one worker process for one queue.

    `instance` is the pod uid; `boot` tells restarts of its container apart. `cpu` is seconds of CPU time used by the
    process tree since its start, `rss` its resident bytes, `oldest` the epoch seconds at which its longest running
    job began. `done` and `failed` count outcomes since the start. `drained` = told to drain, no claim in flight,
    nothing held. `at` is set by Redis when the beat is written: epoch seconds of the server's clock.
    """

    instance: str
    boot: str
    slots: int
    busy: int
    done: int
    failed: int
    pod: str = ""
    version: str = ""
    oldest: float | None = None
    cpu: float = 0.0
    rss: int = 0
    draining: bool = False
    drained: bool = False
    at: float | None = None

    def dump(self) -> str:
        """The JSON object to send; without `at`, which the script adds."""
        values = asdict(self)
        del values["at"]
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | bytes) -> Heartbeat:
        """From a stored field; unknown names are ignored (a newer worker's). Raises ProtocolError."""
        try:
            stored = json.loads(text)
            known = {name: stored[name] for name in _NAMES if name in stored}
            if "at" in known:
                known["at"] = known["at"] / 1000
            return cls(**known)
        except (ValueError, TypeError) as error:
            raise ProtocolError(f"a heartbeat cannot be read: {error}") from error


_NAMES = tuple(entry.name for entry in fields(Heartbeat))


@dataclass(frozen=True, slots=True)
class Beaten:
    """Reply to a beat: `at`, and the end of a drain mark of this instance if one holds (server clock, epoch s)."""

    at: float
    drain_until: float | None


@dataclass(frozen=True, slots=True)
class Beats:
    """All workers of a queue by instance; `unreadable` names fields that hold no heartbeat."""

    alive: Mapping[str, Heartbeat]
    unreadable: tuple[str, ...]


def beat(keys: QueueKeys, *, heartbeat: Heartbeat, sweep: bool = False) -> Call[Beaten]:
    """Writes the heartbeat, stamped by Redis; the hash expires an hour after the last one.

    `sweep` also removes fields older than a minute. It reads every field, so ask for it now and then only.
    """
    return Call(
        command=(
            keys.base,
            heartbeat.instance,
            heartbeat.dump(),
            EXPIRE_SECONDS,
            STALE_SECONDS * 1000 if sweep else 0,
        ),
        parse=_beaten,
        script=load("beat"),
    )


def read_beats(keys: QueueKeys) -> Call[Beats]:
    """The heartbeats of all workers of the queue; the caller judges how old is too old."""
    return Call(command=("HGETALL", keys.workers), parse=_beats)


def forget(keys: QueueKeys, *, instance: str) -> Call[int]:
    """Removes the instance's field, as a worker does on a clean exit; returns how many were removed (0 or 1)."""
    return Call(command=("HDEL", keys.workers, instance), parse=int)


def _beaten(reply: list[int]) -> Beaten:
    at_ms, drain_ms = reply
    return Beaten(at=at_ms / 1000, drain_until=drain_ms / 1000 if drain_ms else None)


def _beats(reply: list[bytes]) -> Beats:
    alive: dict[str, Heartbeat] = {}
    unreadable: list[str] = []
    for name, text in pairs(reply).items():
        instance: Any = name.decode(errors="replace")
        try:
            alive[instance] = Heartbeat.parse(text)
        except ProtocolError:
            unreadable.append(instance)  # reported, so that one bad field does not hide the others
    return Beats(alive=alive, unreadable=tuple(unreadable))
