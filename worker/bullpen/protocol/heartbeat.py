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
    from collections.abc import Iterable, Iterator, Mapping

    from bullpen.protocol.keys import QueueKeys

STALE_SECONDS = 60
EXPIRE_SECONDS = 3600
# Beats come every second. One that is late makes others look again; at two seconds its worker may be dead.
LATE_SECONDS = 1.2
DEAD_SECONDS = 2.0
# Other beats looked at in each: with more workers than that, some 20 of them still look at each one every second.
LOOKS = 20
# Upper bounds of the histograms, in seconds: from no-op jobs to half an hour of rendering.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """State of one worker process for one queue.

    `instance` is the pod uid; `boot` tells restarts of its container apart. `cpu` is seconds of CPU time used by the
    process tree since its start, `rss` its resident bytes. `oldest` is when its longest running job began,
    `first_claim` when it claimed its first job: epoch seconds of the server's clock, as the worker knows it. `done` and
    `failed` count outcomes since the start. `waits` counts first starts by how long the job had been ready: one number
    for each of `BOUNDS`, not cumulated, and one for all that is longer. `draining` = it stops or is marked, and claims
    nothing; `drained` = and no claim is in flight, nothing held. `stuck` counts threads whose job is over its time and
    cannot be stopped. `at` is set by Redis when the beat is written: epoch seconds of its clock.
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
    stuck: int = 0
    first_claim: float | None = None
    waits: tuple[int, ...] = ()
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
            if "waits" in known:
                known["waits"] = tuple(known["waits"])
            return cls(**known)
        except (ValueError, TypeError) as error:
            raise ProtocolError(f"a heartbeat cannot be read: {error}") from error


_NAMES = tuple(entry.name for entry in fields(Heartbeat))


@dataclass(frozen=True, slots=True)
class Beaten:
    """Reply to a beat: `at` (epoch s of the server's clock), for how many seconds a drain mark of this instance holds
    (0 = there is none), and beats of others that are late."""

    at: float
    marked_seconds: float
    late: tuple[Heartbeat, ...] = ()


@dataclass(frozen=True, slots=True)
class Beats:
    """All workers of a queue by instance; `unreadable` names fields that hold no heartbeat."""

    alive: Mapping[str, Heartbeat]
    unreadable: tuple[str, ...]


def beat(
    keys: QueueKeys, *, heartbeat: Heartbeat, sweep: bool = False, looks: int = LOOKS, suspects: Iterable[str] = ()
) -> Call[Beaten]:
    """Writes the heartbeat, stamped by Redis; the hash expires an hour after the last one.

    The reply tells which beats are late (`LATE_SECONDS`) of `looks` other workers, picked at random, and of `suspects`
    (instances). `sweep` also removes fields older than a minute: it reads every field, so ask for it now and then only.
    """
    return Call(
        command=(
            keys.base,
            heartbeat.instance,
            heartbeat.dump(),
            EXPIRE_SECONDS,
            STALE_SECONDS * 1000 if sweep else 0,
            int(LATE_SECONDS * 1000),
            looks,
            *suspects,
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


def _beaten(reply: list[Any]) -> Beaten:
    at_ms, marked_ms, late = reply
    return Beaten(at=at_ms / 1000, marked_seconds=marked_ms / 1000, late=tuple(_readable(late)))


def _readable(texts: Iterable[bytes]) -> Iterator[Heartbeat]:
    for text in texts:
        try:
            yield Heartbeat.parse(text)
        except ProtocolError:
            continue  # of one that cannot be read nobody knows whose it is; `read_beats` reports it


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
