"""How much CPU a pool's workers use, from the CPU seconds in their heartbeats."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.protocol.heartbeat import Heartbeat

WINDOW_SECONDS: Final = 15.0
"""What is averaged over: shorter than a pod's start, longer than most jobs' bursts."""


@dataclass(frozen=True, slots=True)
class _Since:
    boot: str
    at: float
    cpu: float
    cores: float | None
    """What was used before that; None while nothing is known."""


@dataclass(slots=True)
class CpuMeter:
    """Of one pool; what it remembers of a worker is lost with the operator and known again WINDOW_SECONDS later."""

    _since: dict[str, _Since] = field(default_factory=dict)

    def use(self, beats: Iterable[Heartbeat], *, allowed: float | None) -> float | None:
        """Mean use of the workers as a share of the cores that each may use, at most 1; None while it is unknown."""
        shares = []
        seen = {beat.instance: beat for beat in beats}
        for gone in self._since.keys() - seen.keys():
            del self._since[gone]
        for beat in seen.values():
            used = self._cores(beat)
            if used is not None and allowed:
                shares.append(min(1.0, used / allowed))
        return sum(shares) / len(shares) if shares else None

    def _cores(self, beat: Heartbeat) -> float | None:
        at = beat.at or 0.0
        since = self._since.get(beat.instance)
        if since is None or since.boot != beat.boot or not since.at <= at or beat.cpu < since.cpu:
            self._since[beat.instance] = _Since(beat.boot, at, beat.cpu, None)
            return None
        if at - since.at < WINDOW_SECONDS:
            return since.cores
        used = (beat.cpu - since.cpu) / (at - since.at)
        self._since[beat.instance] = _Since(beat.boot, at, beat.cpu, used)
        return used
