"""`bullpen replay`: what a pool would have done with the jobs that a queue had."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from bullpen.cli.output import Column, Output, plural
from bullpen.cli.target import Target, as_json, on_target
from bullpen.durations import spoken
from bullpen_operator.cli.settings import Asked, asks

if TYPE_CHECKING:
    from bullpen_operator.simulation.figures import Figures
    from bullpen_operator.simulation.history import History
    from bullpen_operator.simulation.what_if import Comparison, Setting


def _wait(seconds: float) -> str:
    return "0s" if seconds < 0.0005 else spoken(seconds)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


COLUMNS: Final = (
    Column("policy", ""),
    Column("p50", "WAIT p50", right=True, show=_wait),
    Column("p95", "p95", right=True, show=_wait),
    Column("p99", "p99", right=True, show=_wait),
    Column("late", "LATE", right=True, show=lambda late: f"{late:.1f}%"),
    Column("podHours", "POD-HOURS", right=True, show=lambda hours: "-" if hours is None else f"{hours:,.2f}"),
    Column("peak", "PEAK", right=True, show=_number),
    Column("writes", "CHANGES", right=True, show=_number),
    Column("interrupted", "INTERRUPTED", right=True, show=_number),
)


@click.command()
@asks
@click.option(
    "--list-length",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="JOBS",
    help="Waiting jobs a pod, of the scaler it is compared with.",
)
@click.option("--fixed", type=click.IntRange(1, 10_000), metavar="PODS", help="Compare with so many pods that stay.")
@as_json
@on_target
def replay(asked: Asked, list_length: int, fixed: int | None, as_json: bool, target: Target) -> None:  # fmt: skip
    """Play a queue's recent history against a pool, by the operator's own planner.

    The history are the jobs that ended and are kept in Redis, those that were removed as far as events tell of them, or
    a CSV with a time and a duration (seconds) on each line. The pool is that of a manifest (-f), or one with the
    defaults; options win over the file. It is compared with KEDA on the length of the list, and with the fewest pods
    that would have kept the same promise all the time.

    LATE are the jobs that waited longer than the objective, INTERRUPTED those whose pod was ended while they ran.
    Nothing is changed: neither in Redis nor in Kubernetes.
    """
    from dataclasses import replace

    from bullpen_operator.simulation.what_if import compared

    spec = asked.spec()
    setting = replace(asked.setting(spec), list_length=list_length)
    history = asked.history(target, spec)
    found = compared(history, setting, fixed_pods=fixed)
    output = Output(as_json)
    if as_json:
        for note in history.notes:
            click.echo(f"bullpen: {note}", err=True)
    else:
        click.echo("\n".join(head(history, setting)))
    output.rows(COLUMNS, rows(found, setting), none="")


def head(history: History, setting: Setting) -> list[str]:
    """What was played, and by which rules."""
    from bullpen_operator.simulation.figures import percentile

    rules, durations = setting.rules, history.durations
    began = datetime.fromtimestamp(history.began, UTC)
    middle, most = percentile(durations, 0.5), percentile(durations, 0.99)
    load = f"half of them ran {spoken(middle)} or less, 99 % {spoken(most)}; {history.erlangs:.3g} at a time on average"
    asked = f"{rules.objective_percentile:g} % are to start within {spoken(rules.objective_seconds)}"
    pods = f"{rules.min_replicas} to {rules.max_replicas} pods of {plural(rules.concurrency)}, started in"
    return [
        f"{history.name}: {plural(len(history.runs))} in {spoken(history.seconds)}, from {began:%Y-%m-%d %H:%M:%S} UTC",
        f"jobs: {load}",
        *(f"note: {note}" for note in history.notes),
        f"pool: {asked}; {pods} {setting.start_seconds:g} s",
        "",
    ]


def rows(found: Comparison, setting: Setting) -> list[dict[str, Any]]:
    """The lines of the table."""
    named = [
        ("bullpen", found.pool),
        (f"KEDA, {setting.list_length} waiting a pod", found.keda),
        (f"{found.fixed_pods} pod{'s' * (found.fixed_pods != 1)}, always", found.fixed),
    ]
    if found.recorded is not None:
        named.append(("as it really was", found.recorded))
    return [row(policy, figures) for policy, figures in named]


def row(policy: str, figures: Figures) -> dict[str, Any]:
    """Of one policy, numbers as JSON has them."""
    values = {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(figures).items()}
    values["podHours"] = values.pop("pod_hours")
    return {"policy": policy, **values}
