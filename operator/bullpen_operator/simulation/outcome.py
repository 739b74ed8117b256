"""What became of a run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What became of a run."""

    waits: list[float] = field(default_factory=list)
    overdue: int = 0
    """Jobs that had not started when the run ended, and were late already."""
    pod_seconds: float = 0.0
    writes: int = 0
    flips: int = 0
    interrupted: int = 0
    failed: int = 0
    peak: int = 0
    timeline: list[tuple[float, int, int, int]] = field(default_factory=list)
    """Time, pods, busy slots, waiting jobs; once every 30 s when it was asked for."""
