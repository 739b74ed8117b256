"""What is seen of the workers of a queue: plain values, made by the reader of Redis."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.heartbeat import Heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """All workers of a queue at one moment, by what they call themselves: our workers by the uid of their pod.

    `at`: epoch seconds by the clock of Redis, which also stamps heartbeats and ends drain marks.
    """

    at: float
    beats: Mapping[str, Heartbeat] = field(default_factory=dict)
    marks: Mapping[str, float] = field(default_factory=dict)
    """For how many seconds the drain marks that are in force still hold."""
    running: Mapping[str, int] | None = None
    """Active jobs by who runs them, None when nobody looked: by the uid of a pod, else by the worker's name (`pb`)."""
    unknown: int = 0
    """Active jobs of which that could not be told."""

    def aged(self, seconds: float) -> Workers:
        """The same, as it stands so many seconds later if nothing happened meanwhile."""
        passed = max(0.0, seconds)
        left = {name: lease - passed for name, lease in self.marks.items()}
        return replace(self, at=self.at + passed, marks={name: lease for name, lease in left.items() if lease > 0})
