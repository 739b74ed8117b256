"""What every command says of itself, which is pinned in docs/cli.md; and that saying it costs little."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from bullpen.cli.command import SECTIONS, bullpen_command
from tests.unit.cli.pages import PAGE, commands, written


def test_the_page_has_the_helps_of_all_commands() -> None:
    """After a change that is meant: python -m tests.unit.cli.pages"""
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page)


def test_every_command_of_the_table_is_there() -> None:
    context = click.Context(bullpen_command)
    for entry in (entry for entries in SECTIONS.values() for entry in entries):
        command = bullpen_command.get_command(context, entry.name)
        assert command is not None
        assert command.name == entry.name


@pytest.mark.parametrize("path", [path for path, _command, _context in commands()][1:])
def test_every_option_says_what_it_does(path: str) -> None:
    [command] = [command for each, command, _context in commands() if each == path]
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name


def test_what_can_be_asked_has_json() -> None:
    without = {"bullpen", "bullpen serve", "bullpen schema", "bullpen completion", "bullpen schedules", "bullpen pool"}
    for path, command, _context in commands():
        assert ("as_json" in {parameter.name for parameter in command.params}) is (path not in without), path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "--help"]], ids=" ".join)
def test_the_list_of_commands_imports_none_of_them(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom bullpen.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: heavy = {'pydantic', 'redis', 'rich', 'watchfiles', 'asyncio', 'bullpen.app'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
