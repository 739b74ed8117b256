"""The helps in docs/cli.md: `python -m tests.unit.cli.pages` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from bullpen.cli.command import bullpen_command

PAGE = Path(__file__).parents[3] / "docs/cli.md"
MARK = "<!-- The rest is written by `python -m tests.unit.cli.pages`. -->\n"
WIDTH = 100


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command by its full name, groups before what they hold."""
    root = bullpen_command.make_context("bullpen", ["inspect"], resilient_parsing=True, terminal_width=WIDTH)
    yield "bullpen", bullpen_command, root
    yield from _below(root)


def _below(parent: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    assert isinstance(parent.command, click.Group)
    for name in parent.command.list_commands(parent):
        command = parent.command.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
        yield context.command_path, command, context
        if isinstance(command, click.Group):
            yield from _below(context)


def helps() -> str:
    """A section for each command."""
    return "\n".join(
        f"## {path}\n\n```\n{command.get_help(context).rstrip()}\n```\n" for path, command, context in commands()
    )


def written(page: str) -> str:
    """The page with the helps as they are now."""
    head = re.split(re.escape(MARK), page)[0]
    return f"{head}{MARK}\n{helps()}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
