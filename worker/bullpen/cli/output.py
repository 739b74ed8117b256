"""What commands print: tables and lines for people, JSON lines for programs."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from bullpen.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.table import Table


def shown(value: object) -> str:
    """A value in a cell: text as it is, nothing as `-`, everything else as JSON."""
    if value is None or value == "":
        return "-"
    return value if isinstance(value, str) else dumped(value)


@dataclass(frozen=True, slots=True)
class Column:
    """`key` is the field of the JSON object, `title` what people read above it."""

    key: str
    title: str
    right: bool = False
    show: Callable[[Any], str] = shown


@dataclass(frozen=True, slots=True)
class Output:
    """Both forms of one answer."""

    as_json: bool

    def record(self, values: Mapping[str, object], text: str) -> None:
        """One object, or one line (or several) for people."""
        click.echo(dumped(values) if self.as_json else clean(text, lines=True))

    def rows(self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], *, none: str) -> None:
        """Objects, or a table: on a terminal it fits its width, elsewhere nothing is cut. `none`: when there are no
        rows, on standard error."""
        if self.as_json:
            for row in rows:
                click.echo(dumped(row))
            return
        cells = [[clean(column.show(row[column.key])) for column in columns] for row in rows]
        if not cells:
            click.echo(none, err=True)
        elif sys.stdout.isatty():
            from rich.console import Console

            Console(highlight=False).print(table(columns, cells))
        else:
            for line in plain_table(columns, cells):
                click.echo(line)


def table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> Table:
    """For a terminal; cells are text, never markup."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in cells:
        made.add_row(*(Text(cell) for cell in row))
    return made


def plain_table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[str]:
    """Aligned, two spaces between columns."""
    lines = [[column.title for column in columns], *cells]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    return [
        "  ".join(
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in lines
    ]


def dumped(value: object) -> str:
    """Compact JSON on one line, whatever the encoding of the output."""
    narrow = not (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=narrow, separators=(",", ":"), default=str)
    # Half of a surrogate pair, which JSON can say and UTF-8 cannot.
    return text.encode("utf-8", "backslashreplace").decode()


def clean(text: str, *, lines: bool = False) -> str:
    """Text of a job as a terminal may have it: control characters are shown, not obeyed."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or (lines and each in "\n\t") else each.encode("unicode_escape").decode()
        for each in text
    )


def ago(ms: int | None, *, now_ms: float | None = None) -> str:
    """A moment (epoch ms) for people: how long ago, or in how long."""
    if ms is None:
        return "-"
    passed = ((time.time() * 1000 if now_ms is None else now_ms) - ms) / 1000
    return f"in {spoken(-passed)}" if passed < 0 else f"{spoken(passed)} ago"


def rate(per_second: float) -> str:
    """Jobs a second or, when they are few, a minute."""
    if per_second == 0:
        return "0"
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{per_second * 60:.1f}/min"


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def plural(count: int, noun: str = "job") -> str:
    """`1 job`, `1,200 jobs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
