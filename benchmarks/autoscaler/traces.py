"""Workloads: when jobs arrive and how long each runs. From files named by the caller, or generated."""

from __future__ import annotations

import csv
import math
import random
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from bullpen_operator.simulation.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = 86_400.0
ERLANGS, SHORT_ERLANGS, SHORT_SECONDS = 10.0, 2.0, 1.5
"""The mean load a function is scaled to, and that of functions whose jobs are shorter than so many seconds."""
MOST_JOBS = 100_000
"""Of a function-day; with more the day is cut."""
TOKEN_SECONDS = 0.02
"""Service time of a generated token (the traces' README)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A workload that a seed makes a trace of; `kind` groups it in the report."""

    name: str
    kind: str
    make: Callable[[int], Trace]


def azure_functions(folder: Path) -> list[Source]:
    """Azure Functions 2019: each function's invocations a minute, scaled to a load in Erlangs.

    A minute's jobs are spread over it at random; service times are drawn from the function's percentiles, with
    straight lines between them. A function without a service time (0 ms throughout) is left out.
    """
    with (folder / "azure2019_durations_ms.csv").open() as file:
        rows = {row["function"]: row for row in csv.DictReader(file)}
    sources = []
    with (folder / "azure2019_invocations.csv").open() as file:
        for name, *minutes in list(csv.reader(file))[1:]:
            row = rows[name]
            ladder = [(p / 100, float(row[f"p{p}"]) / 1000) for p in (0, 1, 25, 50, 75, 99, 100)]
            counts = [float(count) for count in minutes]
            if _mean(ladder) > 0 and any(counts):
                sources.append(Source(name, "azure", _function(name, counts, ladder)))
    return sources


def _mean(ladder: list[tuple[float, float]]) -> float:
    pairs = pairwise(ladder)
    return sum((q - p) * (low + high) / 2 for (p, low), (q, high) in pairs)


def _drawn(ladder: list[tuple[float, float]], at: float) -> float:
    for (p, low), (q, high) in pairwise(ladder):
        if at <= q:
            return max(low + (high - low) * (at - p) / (q - p), 0.001)
    return max(ladder[-1][1], 0.001)


def _function(name: str, counts: list[float], ladder: list[tuple[float, float]]) -> Callable[[int], Trace]:
    mean = max(_mean(ladder), 0.001)
    load = SHORT_ERLANGS if mean < SHORT_SECONDS else ERLANGS
    scale = load * len(counts) * 60 / mean / sum(counts)

    def make(seed: int) -> Trace:
        chance = random.Random(f"{name} {seed}")
        arrivals: list[float] = []
        first = next(index for index, count in enumerate(counts) if count)
        end = len(counts)
        if scale * sum(counts) > MOST_JOBS:  # the part from the first job on that has so many
            total = 0.0
            for index in range(first, len(counts)):
                total += counts[index] * scale
                end = index + 1
                if total >= MOST_JOBS:
                    break
        else:
            first = 0
        for index in range(first, end):
            start = (index - first) * 60
            arrivals.extend(sorted(start + 60 * chance.random() for _ in range(_whole(counts[index] * scale, chance))))
        services = [_drawn(ladder, chance.random()) for _ in arrivals]
        return Trace(name, (end - first) * 60.0, arrivals, services)

    return make


def _whole(count: float, chance: random.Random) -> int:
    """A whole number of jobs whose mean is the count."""
    return math.floor(count + chance.random())


def azure_llm(folder: Path) -> list[Source]:
    """Azure LLM inference 2023 (code): its own arrivals, 20 ms a generated token; the seed shifts the service times."""
    with (folder / "azure2023_llm_code.csv").open() as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in rows]
    tokens = [float(row["GeneratedTokens"]) for row in rows]

    def make(seed: int) -> Trace:
        shift = seed * 97 % len(tokens)
        services = [max(count * TOKEN_SECONDS, 0.001) for count in tokens[shift:] + tokens[:shift]]
        arrivals = [time - times[0] for time in times]
        return Trace("llm-code", math.ceil(arrivals[-1] / 60) * 60.0 + 60, arrivals, services)

    return [Source("llm-code", "llm", make)]


def _thinned(chance: random.Random, seconds: float, rate: Callable[[float], float], most: float) -> list[float]:
    """Poisson arrivals of a rate that changes (Lewis and Shedler, 1979)."""
    arrivals: list[float] = []
    time = 0.0
    while True:
        time += chance.expovariate(most)
        if time >= seconds:
            return arrivals
        if chance.random() * most < rate(time):
            arrivals.append(time)


def _lognormal(chance: random.Random, mean: float, spread: float = 0.6) -> float:
    return chance.lognormvariate(math.log(mean) - spread * spread / 2, spread)


def generated() -> list[Source]:
    """Six hours each: steady, bursts, a day's wave in six hours, bulks from zero, 500 s jobs, a job now and then."""
    hours = 6 * 3600.0

    def steady(chance: random.Random) -> tuple[list[float], float]:
        return _thinned(chance, hours, lambda _: 2.0, 2.0), 5.0

    def bursts(chance: random.Random) -> tuple[list[float], float]:
        return _thinned(chance, hours, lambda time: 8.0 if time % 1800 < 240 else 0.5, 8.0), 4.0

    def diurnal(chance: random.Random) -> tuple[list[float], float]:
        return _thinned(chance, hours, lambda time: 2.0 - 1.9 * math.cos(2 * math.pi * time / hours), 4.0), 6.0

    def bulks(chance: random.Random) -> tuple[list[float], float]:
        return sorted(start + 0.002 * k for start in range(600, int(hours), 3600) for k in range(1000)), 3.0

    def long(chance: random.Random) -> tuple[list[float], float]:
        return _thinned(chance, 2 * hours, lambda _: 0.02, 0.02), 500.0

    def sparse(chance: random.Random) -> tuple[list[float], float]:
        return _thinned(chance, 2 * hours, lambda _: 1 / 400, 1 / 400), 10.0

    shapes = {
        "poisson": steady, "bursts": bursts, "diurnal": diurnal, "bulk-1000": bulks, "500s-jobs": long,
        "sparse": sparse,
    }  # fmt: skip

    def source(name: str) -> Source:
        def make(seed: int) -> Trace:
            chance = random.Random(f"{name} {seed}")
            arrivals, mean = shapes[name](chance)
            seconds = 2 * hours if name in ("500s-jobs", "sparse") else hours
            return Trace(name, seconds, arrivals, [_lognormal(chance, mean) for _ in arrivals])

        return Source(name, "generated", make)

    return [source(name) for name in shapes]


def every(folder: Path | None) -> Iterator[Source]:
    """All workloads there are: those of the folder's files, if it is given, and the generated ones."""
    if folder is not None:
        yield from azure_functions(folder)
        yield from azure_llm(folder)
    yield from generated()
