"""The fewest pod-hours with so many changes a day: what an autoscaler that knows the whole day could reach.

    python benchmarks/autoscaler/bound.py --traces FOLDER [--seed 1] [--idle 60] [--processes 2] [--out bound.json]

A dynamic programme, backwards over steps of ten seconds, on the number of pods and the jobs in the queue. Jobs are a
fluid: λ comes in, min(N, slots) ÷ S goes out. Every job starts within the objective: what waits is never more than what
came in the last 30 s. A change costs a price, and weak duality makes any price a bound: the pod-seconds of the day plus
price · changes, at their least, less price · the changes that are allowed (Bertsekas, Nonlinear Programming, §5.1).

What it may do that no autoscaler can: know the jobs that come, ask for pods a start ahead, pack jobs onto as few pods
as hold them, let any number go in one change. What it must: pay for a pod from when it was asked for (8 s before it
runs a job), end no pod while it runs one, and with --idle keep each for so many seconds after its last job.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy

sys.path.insert(0, str(Path(__file__).parents[1]))

from autoscaler import traces
from autoscaler.runs import OBJECTIVE, SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen_operator.simulation.trace import Trace

Floats = Any
"""An array of numbers; the types of numpy, which only this file needs, are not there to check it."""
STEP: Final = 10.0
"""Seconds; it divides the objective."""
START: Final = 8.0
"""Mean seconds from asking for a pod to its first job (world.py)."""
PRICES: Final = (0.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)
"""Pod-seconds of a change."""
LEVELS: Final = 64
"""Of the jobs in the queue; squares, so that few jobs are told apart precisely."""
MOST_PODS: Final = 48
"""Numbers of pods that are told apart; a larger pool is counted in twos, threes and so on."""
LATE: Final = 1000.0
"""Pod-seconds for each job that waits longer than the objective, each step: more than any saving."""
NOTHING: Final = 0.5
"""Jobs: with fewer of them the fluid counts as gone."""


@dataclass(frozen=True, slots=True)
class Day:
    """A workload by steps."""

    came: Floats
    service: float

    @classmethod
    def of(cls, trace: Trace) -> Day:
        steps = math.ceil(trace.seconds / STEP)
        came, _ = numpy.histogram(trace.arrivals, bins=steps, range=(0, steps * STEP))
        return cls(came.astype(float), trace.mean_service)

    def constant(self) -> float:
        """The fewest slots that keep the objective when they are there all day: the most over all spans of the jobs
        that come in it, to be started until the objective after its end.
        """
        total = numpy.concatenate(([0.0], numpy.cumsum(self.came)))
        most = 0.0
        for steps in range(1, len(total)):
            came = float(numpy.max(total[steps:] - total[:-steps]))
            most = max(most, came / (1 + (steps * STEP + OBJECTIVE) / self.service))
            if total[-1] / (1 + ((steps + 1) * STEP + OBJECTIVE) / self.service) <= most:
                break
        return most


def least(day: Day, *, idle: float) -> list[float]:
    """For each of `PRICES`: the least pod-seconds + price · changes."""
    peak = 1.25 * day.constant() / SLOTS + 2
    unit = math.ceil(peak / MOST_PODS)
    pods = numpy.arange(math.ceil(peak / unit) + 1) * float(unit)
    recent = _recent(day.came)
    most_jobs = SLOTS * pods[-1] + float(recent.max()) + float(day.came.max()) + 1
    jobs = most_jobs * (numpy.arange(LEVELS) / (LEVELS - 1)) ** 2
    slots = SLOTS * pods[:, None]
    busy = numpy.where(jobs < NOTHING, 0.0, jobs)[None, :] > slots  # these pods would be too few to shrink to
    stays = math.exp(-STEP / day.service)
    fresh = day.service / STEP * (1 - stays)  # of those that come in a step, still there at its end
    offset = (numpy.arange(len(pods)) * LEVELS)[:, None]
    prices = numpy.array(PRICES)[:, None, None]
    value = numpy.zeros((len(PRICES), len(pods), LEVELS))
    for came, window in zip(day.came[::-1], recent[::-1], strict=True):
        gone = jobs * (1 - stays) + came * (1 - fresh)
        after = jobs + came - numpy.minimum(gone[None, :], slots * STEP / day.service)
        late = numpy.maximum(after - slots - window, 0.0)
        place = (LEVELS - 1) * numpy.sqrt(numpy.minimum(after / most_jobs, 1.0))
        low = numpy.minimum(place.astype(int), LEVELS - 2)
        share = (after - jobs[low]) / (jobs[low + 1] - jobs[low])
        flat, at = value.reshape(len(PRICES), -1), low + offset
        below, above = flat[:, at], flat[:, at + 1]
        stay = pods[:, None] * STEP + LATE * late + below + numpy.minimum(share, 1.0) * (above - below)
        more = stay + START * pods[:, None]
        grown = numpy.minimum.accumulate(more[:, ::-1], axis=1)[:, ::-1] - START * pods[:, None]
        fewer = numpy.where(busy, numpy.inf, stay - idle * pods[:, None])
        shrunk = numpy.minimum.accumulate(fewer, axis=1) + idle * pods[:, None]
        value = numpy.minimum(stay, prices + numpy.minimum(grown, shrunk))
    return [float(cost) for cost in value[:, 0, 0]]  # no pod, no job at the start


def _recent(came: Floats) -> Floats:
    """Jobs that came within the objective before the end of each step."""
    total: Floats = numpy.concatenate(([0.0], numpy.cumsum(came)))
    width = round(OBJECTIVE / STEP)
    return total[1:] - total[numpy.maximum(numpy.arange(1, len(total)) - width, 0)]


def bound(costs: Sequence[float], changes: float) -> float:
    """The best of the prices' bounds on the pod-seconds with at most so many changes."""
    return max(cost - price * changes for price, cost in zip(PRICES, costs, strict=True))


def _one(job: tuple[str | None, int, int, float]) -> dict[str, Any]:
    folder, index, seed, idle = job
    source = list(traces.every(Path(folder) if folder else None))[index]
    trace = source.make(seed)
    work = sum(min(service, trace.seconds - at) for at, service in zip(trace.arrivals, trace.services, strict=True))
    day = Day.of(trace)
    return {
        "trace": trace.name,
        "kind": source.kind,
        "service": trace.mean_service,
        "days": trace.seconds / traces.DAY,
        "minimum": work / SLOTS,
        "constant": math.ceil(day.constant() / SLOTS) * trace.seconds,
        "costs": least(day, idle=idle),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--idle", type=float, default=0.0, help="seconds that a pod is kept after its last job")
    parser.add_argument("--changes", type=float, default=400.0, help="a day")
    parser.add_argument("--only", default="", help="traces whose names begin so, separated by commas")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    sources = list(traces.every(Path(chosen.traces) if chosen.traces else None))
    names = tuple(chosen.only.split(","))
    jobs = [
        (chosen.traces, index, chosen.seed, chosen.idle)
        for index, source in enumerate(sources)
        if source.kind != "llm" and source.name.startswith(names)
    ]
    with multiprocessing.Pool(chosen.processes) as pool:
        found = pool.map(_one, jobs, chunksize=1)
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1))
    for kind in dict.fromkeys(row["kind"] for row in found):
        told([row for row in found if row["kind"] == kind], chosen.changes)


def told(rows: list[dict[str, Any]], changes: float) -> None:
    """A line a function, and their sum: each on its own, and with the changes shared between them."""
    print("trace S minimum/h | ÷ minimum: no limit, with the changes, constant")
    minimum = sum(row["minimum"] for row in rows)
    for row in rows:
        few = bound(row["costs"], changes * row["days"])
        print(
            f"{row['trace'][:10]} {row['service']:.2f} {row['minimum'] / 3600:.1f} | "
            f"{row['costs'][0] / row['minimum']:.2f} {few / row['minimum']:.2f} {row['constant'] / row['minimum']:.2f}"
        )
    each = sum(bound(row["costs"], changes * row["days"]) for row in rows) / minimum
    sums = [sum(costs) for costs in zip(*(row["costs"] for row in rows), strict=True)]
    shared = bound(sums, changes * sum(row["days"] for row in rows)) / minimum
    print(
        f"all: no limit {sums[0] / minimum:.2f}, each {changes:g} a day {each:.2f}, {changes:g} on average {shared:.2f}"
    )


if __name__ == "__main__":
    main()
