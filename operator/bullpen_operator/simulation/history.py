"""What a queue went through: jobs that were ready, started and ended, and the workload that makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bullpen_operator.simulation.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TAIL_SECONDS: Final = 600.0
"""Played after the last job: pods that go late cost as well."""
MOST_SECONDS: Final = 31 * 86_400.0
"""Played at most: a day with a pod that stands takes some seconds to play."""
SHORTEST_SECONDS: Final = 0.001
_WHOLE_ENOUGH: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One job that ended; seconds since the epoch, and how long it ran."""

    ready: float
    """When it could have started: its creation and delay, or the end of what it waited for."""
    seconds: float
    started: float | None = None
    """None when only its time and duration are told."""

    @property
    def wait(self) -> float | None:
        return None if self.started is None else max(self.started - self.ready, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Jobs in the order in which they became ready."""

    name: str
    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()
    """What the reader must know of it, a sentence each."""

    @classmethod
    def of(
        cls, name: str, runs: Iterable[Run], *, whole_from: float | None = None, notes: Sequence[str] = ()
    ) -> History:
        """Put in order. Jobs ready before `whole_from` are left out, because others of that time are not known; if that
        is more than half of them, as after a bulk, they stay and a note says so. Raises ValueError without any job.
        """
        ordered = sorted(runs, key=lambda run: run.ready)
        if not ordered:
            raise ValueError(f"{name}: no job that ended is known")
        told = list(notes)
        lately = [run for run in ordered if run.ready >= ordered[-1].ready - MOST_SECONDS]
        if len(lately) < len(ordered):
            older = len(ordered) - len(lately)
            told.append(
                f"{older:,} {'job' if older == 1 else 'jobs'} of more than 31 days before the last one left out"
            )
            ordered = lately
        if whole_from is not None:
            known = [run for run in ordered if run.ready >= whole_from]
            if len(known) >= _WHOLE_ENOUGH * len(ordered):
                ordered = known
            else:
                told.append("most of these jobs came before the oldest end that is known, so there were more of them")
        return cls(name=name, runs=tuple(ordered), notes=tuple(told))

    @property
    def began(self) -> float:
        return self.runs[0].ready

    @property
    def seconds(self) -> float:
        """From the first job's coming to the last one's end."""
        return max(max(run.ready, run.started or run.ready) + run.seconds for run in self.runs) - self.began

    @property
    def durations(self) -> list[float]:
        """How long jobs ran, shortest first."""
        return sorted(run.seconds for run in self.runs)

    @property
    def waits(self) -> list[float]:
        """How long jobs really waited, shortest first; empty when nobody knows."""
        return sorted(wait for run in self.runs if (wait := run.wait) is not None)

    @property
    def erlangs(self) -> float:
        """Slots that were busy on average."""
        return sum(run.seconds for run in self.runs) / max(self.seconds, 1.0)

    def busiest(self, window: float) -> int:
        """The most jobs that came within so many seconds."""
        most = first = 0
        for last, run in enumerate(self.runs):
            while run.ready - self.runs[first].ready > window:
                first += 1
            most = max(most, last - first + 1)
        return most

    def trace(self) -> Trace:
        """The same jobs as a workload, with a tail in which pods may go."""
        return Trace(
            name=self.name,
            seconds=min(self.seconds, MOST_SECONDS) + TAIL_SECONDS,
            arrivals=[run.ready - self.began for run in self.runs],
            services=[max(run.seconds, SHORTEST_SECONDS) for run in self.runs],
        )
