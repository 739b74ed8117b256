"""Which other workers are dead. Silence is not death: who is stopped, cut off or starved is silent too.

A worker is taken for dead when its last beat is two seconds old in two answers of Redis to us, and in both of them none
of its connections was there any more: the kernel closes those of a process that is gone. When Redis itself was away,
slow or is another one, everybody's connections and beats are in doubt, and for one lock duration nobody is judged: by
then the locks say who lives. Pure: observations in, verdicts out. All times are seconds of the server's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bullpen.protocol.heartbeat import DEAD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bullpen.protocol.calls.clients import Server

# A peer that is late but connected (stopped, starved) is asked about again after so long, twice as long each time.
FIRST_RESPITE_SECONDS = 1.0
LONGEST_RESPITE_SECONDS = 16.0
ABSENCES = 2


@dataclass(frozen=True, slots=True)
class Peer:
    """One start of a worker, and its last beat."""

    instance: str
    boot: str
    beat_at: float


@dataclass(frozen=True, slots=True)
class Respite:
    """Not to be asked about before `until`."""

    until: float
    seconds: float


_NOBODY: Final[Mapping[Peer, int]] = MappingProxyType({})
_NO_RESPITE: Final[Mapping[tuple[str, str], Respite]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Memory:
    """What one queue's observer remembers. `calm_since`: Redis has answered promptly from then on, None = not yet."""

    calm_since: float | None = None
    troubled: bool = False
    server: str = ""
    late: frozenset[Peer] = frozenset()
    absences: Mapping[Peer, int] = field(default_factory=lambda: _NOBODY)
    respites: Mapping[tuple[str, str], Respite] = field(default_factory=lambda: _NO_RESPITE)

    @property
    def suspects(self) -> tuple[str, ...]:
        """Instances whose beats are to be looked at next time, besides those that chance picks."""
        return tuple(sorted({peer.instance for peer in self.late}))


def trouble(memory: Memory) -> Memory:
    """An own call failed or was slow: whatever was seen before says nothing any more."""
    return Memory(troubled=True, server=memory.server)


def heard(memory: Memory, *, at: float, late: Iterable[Peer], lock_seconds: float) -> tuple[Memory, tuple[Peer, ...]]:
    """Redis answered at `at` that these beats are late; returns whose connections to look for now."""
    calm_since = memory.calm_since if memory.calm_since is not None else at
    now_late = frozenset(late)
    memory = replace(
        memory,
        calm_since=calm_since,
        late=now_late,
        absences={peer: count for peer, count in memory.absences.items() if peer in now_late},
        respites={key: each for key, each in memory.respites.items() if at < each.until + LONGEST_RESPITE_SECONDS},
    )
    settled = at - calm_since >= lock_seconds
    asked = [
        peer
        for peer in now_late
        if at - peer.beat_at >= DEAD_SECONDS
        # One that never beat since we look may have been on its way back from what we did not see.
        and (settled or (not memory.troubled and peer.beat_at >= calm_since))
        and not _has_respite(memory, peer, at)
    ]
    return memory, tuple(sorted(asked, key=lambda peer: (peer.instance, peer.boot)))


def judged(
    memory: Memory,
    asked: Iterable[Peer],
    *,
    at: float,
    connected: Iterable[tuple[str, str]],
    server: Server,
    lock_seconds: float,
) -> tuple[Memory, tuple[Peer, ...]]:
    """Of those asked about these (instance, boot) have connections; returns the memory, and who is dead."""
    if memory.server and server.run_id != memory.server:
        return replace(trouble(memory), server=server.run_id), ()
    memory = replace(memory, server=server.run_id)
    if server.uptime_seconds < lock_seconds:
        return memory, ()
    there = frozenset(connected)
    absences, respites = dict(memory.absences), dict(memory.respites)
    dead = []
    for peer in asked:
        key = (peer.instance, peer.boot)
        if key in there:
            absences.pop(peer, None)
            respites[key] = _longer(respites.get(key), at)
            continue
        absences[peer] = absences.get(peer, 0) + 1
        if absences[peer] >= ABSENCES:
            dead.append(peer)
    return replace(memory, absences=absences, respites=respites), tuple(dead)


def unknowable(memory: Memory, asked: Iterable[Peer], *, at: float) -> Memory:
    """Redis does not let us see connections: the locks will tell."""
    longest = Respite(at + LONGEST_RESPITE_SECONDS, LONGEST_RESPITE_SECONDS)
    return replace(memory, respites={**memory.respites, **{(peer.instance, peer.boot): longest for peer in asked}})


def pressing(memory: Memory, *, at: float) -> bool:
    """Whether somebody may be found dead soon, so that the next look should not wait for the next beat."""
    return any(at - peer.beat_at < DEAD_SECONDS + 2 and not _has_respite(memory, peer, at) for peer in memory.late)


def _has_respite(memory: Memory, peer: Peer, at: float) -> bool:
    respite = memory.respites.get((peer.instance, peer.boot))
    return respite is not None and at < respite.until


def _longer(before: Respite | None, at: float) -> Respite:
    seconds = FIRST_RESPITE_SECONDS if before is None else min(2 * before.seconds, LONGEST_RESPITE_SECONDS)
    return Respite(at + seconds, seconds)
