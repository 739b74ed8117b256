"""`bullpen advise`: settings for a pool from what its queue went through, to paste."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

import click

from bullpen.cli.output import Output, plural
from bullpen.cli.target import Target, as_json, on_target
from bullpen_operator.cli.settings import Asked, asks

if TYPE_CHECKING:
    from bullpen.cli.target import Desk
    from bullpen_operator.simulation.advice import Advice, Proposal, Workers
    from bullpen_operator.simulation.figures import Figures

WIDTH: Final = 100
_TELLING: Final = 20
"""Jobs that workers must have ended for their CPU time to say something of a job."""


@click.command()
@asks
@as_json
@on_target
def advise(asked: Asked, as_json: bool, target: Target) -> None:
    """Propose settings for the pool of a queue from its recent history, as YAML with a reason for each.

    The history is that of `bullpen replay`. Durations give drain.seconds, expectedJobSeconds and the thresholds;
    minimum and maximum are tried by simulation; concurrency follows from the CPU that heartbeats of running workers
    tell. An objective that you give (--objective, or in the file) is kept. Nothing is changed.
    """
    from bullpen_operator.cli.replay import head
    from bullpen_operator.simulation.advice import advise as propose

    spec = asked.spec()
    setting = asked.setting(spec)
    history = asked.history(target, spec)
    given = spec.scaling.wait_objective.seconds if asked.has_objective else None
    alive = None if asked.csv is not None else target.run(lambda desk: _workers(desk, history.name))
    found = propose(history, setting, objective=given, workers=alive)
    output = Output(as_json)
    if as_json:
        output.record(_values(found), "")
        return
    for line in head(history, found.setting):
        click.echo(f"# {line}".rstrip())
    click.echo("\n".join([*manifest(found.advice), *outcome(found)]))


async def _workers(desk: Desk, queue: str) -> Workers | None:
    """By the heartbeats of those that serve the queue now; None without any, or when they have done too little."""
    from bullpen.cli.workers import beats
    from bullpen_operator.simulation.advice import Workers

    alive = (await beats(desk.app, queue)).values()
    ended = sum(beat.done + beat.failed for beat in alive)
    if ended < _TELLING:
        return None
    cpu = sum(beat.cpu for beat in alive)
    return Workers(slots=max(beat.slots for beat in alive), job_cpu_seconds=cpu / ended)


def manifest(advice: tuple[Advice, ...]) -> list[str]:
    """The spec with a comment above each field, sections in the order of their first field."""
    lines = ["spec:"]
    tree: dict[str, Any] = {}
    for each in advice:
        *sections, field = each.path
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[field] = each
    _write(tree, lines, indent="  ")
    return lines


def _write(tree: dict[str, Any], lines: list[str], *, indent: str) -> None:
    for key, value in tree.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:")
            _write(value, lines, indent=f"{indent}  ")
        else:
            mark = f"{indent}# "
            lines += textwrap.wrap(value.reason, WIDTH, initial_indent=mark, subsequent_indent=mark)
            lines.append(f"{indent}{key}: {value.value}")


def outcome(found: Proposal) -> list[str]:
    """What came of it, as comments."""
    seconds = f"{found.setting.rules.objective_seconds:g}"
    lines = ["", f"# In the simulation: {_told(found.figures)}."]
    lines += [
        f"# With an objective of {other} s instead of {seconds} s: {_told(each)}." for other, each in found.others
    ]
    return lines


def _told(figures: Figures) -> str:
    from bullpen.durations import spoken

    return (
        f"{figures.late:.1f} % late, p99 {spoken(figures.p99)}, {figures.pod_hours:,.2f} pod-hours, "
        f"at most {plural(figures.peak or 0, 'pod')}, {figures.writes} changes"
    )


def _values(found: Proposal) -> dict[str, Any]:
    from bullpen_operator.cli.replay import row

    return {
        "advice": [{"field": ".".join(each.path), "value": each.value, "reason": each.reason} for each in found.advice],
        "objective": found.setting.rules.objective_seconds,
        "figures": row("bullpen", found.figures),
        "others": [{"objective": seconds, **row("bullpen", figures)} for seconds, figures in found.others],
    }
