"""The figures of all runs as JSON, Markdown and pictures."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from autoscaler.runs import KEDA, Figures, played

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from autoscaler.traces import Source

FEW_VIOLATIONS: Final = 10.0
"""Per cent; a KEDA variant with more is no yardstick."""


def mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def by_trace(runs: Sequence[Figures]) -> dict[tuple[str, str], list[Figures]]:
    """The seeds of each trace under each policy."""
    groups: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    for run in runs:
        groups[run.trace, run.policy].append(run)
    return groups


def total_ratio(runs: Sequence[Figures]) -> float:
    """All pod-hours ÷ all of the least."""
    least = sum(run.pod_hours / run.ratio for run in runs if run.ratio)
    return sum(run.pod_hours for run in runs) / least if least else 0.0


def _head(*columns: str) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def summary(runs: Sequence[Figures]) -> list[str]:
    """One line a policy, over all traces and seeds; a trace's violations are the mean of its seeds."""
    groups = by_trace(runs)
    lines = _head(
        "policy", "violations % mean / worst trace", "pod-hours", "÷ minimum, total", "median", "interrupted per 100k",
        "failed", "writes/day mean / median", "flips/day",
    )  # fmt: skip
    for policy in dict.fromkeys(run.policy for run in runs):
        mine = [run for run in runs if run.policy == policy]
        late = [mean(run.violations for run in group) for (_, of), group in groups.items() if of == policy]
        ratios = [mean(run.ratio for run in group) for (_, of), group in groups.items() if of == policy]
        writes = [mean(run.writes for run in group) for (_, of), group in groups.items() if of == policy]
        jobs = sum(run.jobs for run in mine)
        lines.append(
            f"| {policy} | {mean(late):.2f} / {max(late):.2f} | {sum(run.pod_hours for run in mine):.0f} "
            f"| {total_ratio(mine):.2f} | {statistics.median(ratios):.2f} "
            f"| {1e5 * sum(run.interrupted for run in mine) / max(jobs, 1):.1f} | {sum(run.failed for run in mine)} "
            f"| {mean(writes):.0f} / {statistics.median(writes):.0f} | {mean(run.flips for run in mine):.0f} |"
        )
    return lines


def against_keda(runs: Sequence[Figures]) -> list[str]:
    """Trace by trace: our pod-hours ÷ those of the cheapest KEDA variant that keeps violations under 10 %."""
    groups = by_trace(runs)
    shares, without = [], []
    for trace in dict.fromkeys(run.trace for run in runs):
        ours = groups.get((trace, "bullpen"))
        if not ours:
            continue
        fit = [
            mean(run.pod_hours for run in groups[trace, policy])
            for policy in KEDA
            if (trace, policy) in groups and mean(run.violations for run in groups[trace, policy]) < FEW_VIOLATIONS
        ]
        if fit:
            shares.append(mean(run.pod_hours for run in ours) / min(fit))
        else:
            without.append(mean(run.ratio for run in ours))
    lines = []
    if shares:
        met = sum(share <= 0.75 for share in shares)
        lines.append(
            f"On {len(shares)} traces some KEDA variant stays under {FEW_VIOLATIONS:.0f} %: bullpen takes "
            f"{statistics.median(shares):.2f} (median) of the pod-hours of the cheapest such variant, chosen for each "
            f"trace with hindsight; ≤ 0.75 on {met} of them."
        )
    if without:
        met = sum(ratio <= 1.5 for ratio in without)
        lines.append(
            f"On {len(without)} traces none does; there bullpen takes {statistics.median(without):.2f} (median) "
            f"of the minimum, ≤ 1.5 on {met}."
        )
    return lines


def table(runs: Sequence[Figures]) -> list[str]:
    """One line a trace and policy, the mean of the seeds."""
    lines = _head(
        "trace", "S s", "policy", "p50 s", "p95 s", "p99 s", "violations %", "pod-hours", "÷ minimum", "writes/day",
        "flips/day", "interrupted", "failed", "peak",
    )  # fmt: skip
    for (trace, policy), group in by_trace(runs).items():
        lines.append(
            f"| {trace} | {group[0].mean_service:g} | {policy} | {mean(run.p50 for run in group):.1f} "
            f"| {mean(run.p95 for run in group):.1f} | {mean(run.p99 for run in group):.1f} "
            f"| {mean(run.violations for run in group):.2f} | {mean(run.pod_hours for run in group):.2f} "
            f"| {mean(run.ratio for run in group):.2f} | {mean(run.writes for run in group):.0f} "
            f"| {mean(run.flips for run in group):.0f} | {sum(run.interrupted for run in group)} "
            f"| {sum(run.failed for run in group)} | {max(run.peak for run in group)} |"
        )
    return lines


def markdown(runs: Sequence[Figures]) -> str:
    """The whole report."""
    parts = []
    for kind in dict.fromkeys(run.kind for run in runs):
        mine = [run for run in runs if run.kind == kind]
        traces, seeds = len({run.trace for run in mine}), len({run.seed for run in mine})
        parts += [f"## {kind}: {traces} traces, {seeds} seeds", "", *summary(mine), "", *against_keda(mine), ""]
    return "\n".join([*parts, "## Each trace", "", *table(runs), ""])


def written(runs: Sequence[Figures], folder: Path) -> None:
    """figures.json and report.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps([asdict(run) for run in runs], indent=1))
    (folder / "report.md").write_text(markdown(runs))


def pictures(runs: Sequence[Figures], sources: Sequence[Source], folder: Path) -> None:
    """overview.png (violations over pod-hours) and one timeline for each generated trace; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    for policy in dict.fromkeys(run.policy for run in runs):
        groups = [group for (_, of), group in by_trace(runs).items() if of == policy]
        axes.scatter(
            [mean(run.ratio for run in group) for group in groups],
            [mean(run.violations for run in group) + 0.01 for group in groups],
            label=policy,
            s=14,
        )
    axes.set(xscale="log", yscale="log", xlabel="pod-hours ÷ minimum", ylabel="violations, % (+ 0.01)")
    axes.legend()
    figure.savefig(folder / "overview.png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)
    for source in sources:
        if source.kind == "generated":
            _timeline(source, folder)


def _timeline(source: Source, folder: Path) -> None:
    from matplotlib import pyplot

    trace = source.make(1)
    figure, rows = pyplot.subplots(2, 1, sharex=True, figsize=(9, 5))
    for policy in ("bullpen", "keda-wait-active"):
        line = played(trace, policy, 1, timeline=True).timeline
        hours = [point[0] / 3600 for point in line]
        rows[0].step(hours, [point[1] for point in line], where="post", label=policy)
        rows[1].step(hours, [point[3] for point in line], where="post", label=policy)
    rows[0].set(ylabel="pods", title=source.name)
    rows[1].set(ylabel="waiting jobs", xlabel="hours")
    rows[0].legend()
    figure.savefig(folder / f"{source.name}.png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)
