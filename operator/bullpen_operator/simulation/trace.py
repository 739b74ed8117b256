"""A workload: when jobs arrive and how long each runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trace:
    """Jobs in the order of their arrival; seconds from the trace's start."""

    name: str
    seconds: float
    arrivals: list[float]
    services: list[float]

    @property
    def work(self) -> float:
        """Seconds of service that all jobs take."""
        return sum(self.services)

    @property
    def mean_service(self) -> float:
        return self.work / len(self.services) if self.services else 1.0
