"""The figures of all numbers of pools side by side, with the targets (operator.md §6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVERYWHERE = -1
Figures = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Measure:
    """One line: where its figure stands, and the most it may be, by the number of pools or EVERYWHERE."""

    words: str
    place: tuple[str, ...]
    most: Mapping[int, float]

    def value(self, figures: Mapping[str, Any]) -> float | None:
        found: Any = figures
        for step in self.place:
            found = found.get(step) if isinstance(found, Mapping) else None
        return None if found is None else float(found)

    def target(self, count: int) -> float | None:
        return self.most.get(count, self.most.get(EVERYWHERE))


MEASURES = (
    Measure("CPU, thousandths of a core", ("steady", "cpu m"), {1000: 250, 5000: 1000}),
    Measure("memory, MiB", ("steady", "rss MiB"), {1000: 256, 5000: 1024}),
    Measure("sweep lag p99, ms", ("steady", "sweep lag p99 ms"), {1000: 150}),
    Measure("sweep lag mean, ms", ("steady", "sweep lag mean ms"), {}),
    Measure("writes to idle pools", ("steady", "writes to idle pools"), {EVERYWHERE: 0}),
    Measure("writes a minute and active pool", ("steady", "writes a minute and active pool"), {EVERYWHERE: 1}),
    Measure("the same, the most written one", ("steady", "the same, the most written one"), {}),
    Measure("polling GETs", ("requests", "polling GETs"), {EVERYWHERE: 0}),
    Measure("connections to Redis", ("steady", "Redis connections"), {EVERYWHERE: 2}),
    Measure("round trips to Redis a tick", ("steady", "Redis round trips a tick"), {EVERYWHERE: 1}),
    Measure("job added to an idle queue → replicas, p50 s", ("wake", "p50 s"), {EVERYWHERE: 0.3}),
    Measure("the same, p99 s", ("wake", "p99 s"), {EVERYWHERE: 1}),
    Measure("start to filled caches, s", ("start to filled caches s",), {10: 2, 100: 2}),
    Measure("SIGTERM to the end, s", ("SIGTERM to the end s",), {EVERYWHERE: 2}),
    Measure("writes to idle pools by a restart", ("requests", "writes to idle pools by a restart"), {EVERYWHERE: 0}),
    Measure("failed turns", ("steady", "failed turns"), {EVERYWHERE: 0}),
    Measure("a scrape of the metrics, s", ("steady", "scrape s"), {}),
    Measure("its size, MiB", ("steady", "scrape MiB"), {}),
    Measure("pools made → all at rest, s", ("rest s",), {}),
    Measure("load average meanwhile", ("steady", "load average"), {}),
)


def missed(figures: Figures) -> list[str]:
    """A sentence for each target that is not reached."""
    found = []
    for count, each in figures.items():
        for measure in MEASURES:
            value, most = measure.value(each), measure.target(count)
            if value is not None and most is not None and value > most:
                found.append(f"{measure.words}, {count} pools: {value:g}, at most {most:g} was asked for")
    return found


def table(figures: Figures) -> str:
    """In Markdown, a column for each number of pools; what misses its target is set bold."""
    counts = list(figures)
    heads = " | ".join(f"{count:,} pools" for count in counts)
    lines = [f"| measure | {heads} | target |", "|---" * (len(counts) + 2) + "|"]
    for measure in MEASURES:
        cells = [_cell(measure, count, figures[count]) for count in counts]
        if any(cells):
            lines.append(f"| {measure.words} | {' | '.join(cells)} | {_targets(measure)} |")
    return "\n".join(lines)


def _cell(measure: Measure, count: int, figures: Mapping[str, Any]) -> str:
    value, most = measure.value(figures), measure.target(count)
    if value is None:
        return ""
    shown = f"{value:,g}" if value < 1000 else f"{value:,.0f}"
    return f"**{shown}**" if most is not None and value > most else shown


def _targets(measure: Measure) -> str:
    return "; ".join(
        f"≤ {most:,}" if count == EVERYWHERE else f"≤ {most:,} at {count:,}" for count, most in measure.most.items()
    )
