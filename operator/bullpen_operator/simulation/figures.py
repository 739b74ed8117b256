"""The figures of a run: waits, promises broken, pods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen_operator.simulation.outcome import Outcome


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank."""
    return ordered[min(max(math.ceil(share * len(ordered)) - 1, 0), len(ordered) - 1)] if ordered else 0.0


def late_percent(ordered: Sequence[float], objective: float, *, overdue: int = 0) -> float:
    """Per cent of the jobs that waited longer than the objective, those that never started included."""
    jobs = len(ordered) + overdue
    return 100 * (sum(wait > objective for wait in ordered) + overdue) / jobs if jobs else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What became of a workload under one policy; waits in seconds. None: nobody knows."""

    p50: float
    p95: float
    p99: float
    late: float
    """Per cent of the jobs that waited longer than the objective."""
    pod_hours: float | None = None
    peak: int | None = None
    writes: int | None = None
    """Changes of the number of pods."""
    interrupted: int | None = None
    """Jobs whose pod was ended while they ran."""

    @classmethod
    def of(cls, outcome: Outcome, *, objective: float) -> Figures:
        waits = sorted(outcome.waits)
        return cls(
            p50=percentile(waits, 0.50),
            p95=percentile(waits, 0.95),
            p99=percentile(waits, 0.99),
            late=late_percent(waits, objective, overdue=outcome.overdue),
            pod_hours=outcome.pod_seconds / 3600,
            peak=outcome.peak,
            writes=outcome.writes,
            interrupted=outcome.interrupted,
        )

    @classmethod
    def recorded(cls, waits: Sequence[float], *, objective: float) -> Figures:
        """Of waits that really were, shortest first."""
        return cls(
            p50=percentile(waits, 0.50),
            p95=percentile(waits, 0.95),
            p99=percentile(waits, 0.99),
            late=late_percent(waits, objective),
        )
