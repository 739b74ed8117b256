"""The options that say what a pool would be like, and where the history is from."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bullpen.cli.target import Target, queue_names
from bullpen.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen_operator.api.pool import WorkerPoolSpec
    from bullpen_operator.simulation.history import History
    from bullpen_operator.simulation.what_if import Setting

F = TypeVar("F", bound="Callable[..., Any]")

FIELDS = {
    "objective": ("scaling", "waitObjective", "seconds"),
    "percentile": ("scaling", "waitObjective", "percentile"),
    "concurrency": ("concurrency",),
    "min_pods": ("scaling", "minReplicas"),
    "max_pods": ("scaling", "maxReplicas"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options said."""

    file: str | None
    queue: str | None
    csv: str | None
    jobs: int
    pod_start: float
    changes: dict[str, Any]

    def spec(self) -> WorkerPoolSpec:
        """The pool of the file, or one with the defaults; options win. Raises ConfigurationError."""
        from bullpen_operator.cli.manifest import checked, pool_spec

        given: dict[str, Any] = {"queue": self.queue or "queue", "image": "-", "redis": {"url": "redis://-"}}
        if self.file is not None:
            found = pool_spec(_read(self.file), name=self.file, queue=self.queue)
            given = found.model_dump(mode="json", by_alias=True, exclude_none=True)
        for option, value in self.changes.items():
            if value is not None:
                *sections, field = FIELDS[option]
                place = given
                for section in sections:
                    place = place.setdefault(section, {})
                place[field] = value
        return checked(given, name=self.file or "the options")

    @property
    def has_objective(self) -> bool:
        """Whether somebody chose one; a manifest has."""
        return self.file is not None or self.changes["objective"] is not None

    def setting(self, spec: WorkerPoolSpec) -> Setting:
        """For the simulation."""
        from bullpen_operator.scaling.rules import Rules
        from bullpen_operator.simulation.what_if import Setting

        return Setting(
            rules=Rules.of(spec), drain_seconds=float(spec.drain.seconds), start_seconds=self.pod_start
        ).scaling()

    def history(self, target: Target, spec: WorkerPoolSpec) -> History:
        """From the CSV, or the queue in Redis. Raises ConfigurationError and WrongState."""
        if self.csv is not None:
            if self.queue is not None:
                raise ConfigurationError("both --queue and --csv are given: take one of them")
            from bullpen_operator.cli.table import csv_history

            return csv_history("standard input" if self.csv == "-" else self.csv, _read(self.csv).splitlines())
        queue = self.queue or (spec.queue if self.file is not None else None)
        if queue is None:
            raise ConfigurationError("no history is named: give a queue with --queue, or a file with --csv")
        from bullpen_operator.cli.kept import kept_history

        if target.prefix is None and self.file is not None:
            target = replace(target, prefix=spec.prefix)
        return target.run(lambda desk: kept_history(desk, queue, jobs=self.jobs))


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ConfigurationError(f"cannot read {path}: {words}") from error


def asks(function: F) -> F:
    """Give a command these options; it gets an `asked`."""
    from bullpen_operator.cli.kept import MOST_JOBS

    @functools.wraps(function)
    def called(
        *args: Any, file: str | None, queue: str | None, csv: str | None, jobs: int, pod_start: float, **kwargs: Any
    ) -> Any:
        changes = {option: kwargs.pop(option) for option in FIELDS}
        return function(*args, asked=Asked(file, queue, csv, jobs, pod_start, changes), **kwargs)

    whole = click.IntRange(min=1)
    for option in reversed(
        (
            click.option("--queue", metavar="QUEUE", shell_complete=queue_names, help="The history of this queue."),
            click.option("--csv", metavar="FILE", help="The history in this file: time,duration ('-': stdin)."),
            click.option(
                "--jobs", type=click.IntRange(1, 1_000_000), default=MOST_JOBS, show_default=True,
                help="At most so many of the newest jobs of the queue.",
            ),
            click.option("-f", "--file", metavar="FILE", help="A manifest with the WorkerPool ('-': stdin)."),
            click.option("--objective", type=whole, metavar="SECONDS", help="scaling.waitObjective.seconds."),
            click.option("--percentile", type=whole, metavar="PERCENT", help="scaling.waitObjective.percentile."),
            click.option("--concurrency", type=whole, metavar="JOBS", help="concurrency: jobs a pod runs at a time."),
            click.option("--min-pods", type=click.IntRange(min=0), metavar="PODS", help="scaling.minReplicas."),
            click.option("--max-pods", type=whole, metavar="PODS", help="scaling.maxReplicas."),
            click.option(
                "--pod-start", type=click.FloatRange(0.1, 600), default=8.0, show_default=True, metavar="SECONDS",
                help="What a pod takes to start, on average.",
            ),
        )
    ):  # fmt: skip
        called = option(called)
    return called  # type: ignore[return-value]
