"""`kubectl-bullpen`, which kubectl runs as `kubectl bullpen`, and `kubectl_complete-bullpen`, which it asks for
completion.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from bullpen.cli.command import main as bullpen
from bullpen_operator.cli.pool import kubectl_bullpen

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM: Final = "kubectl bullpen"
_NO_FILES: Final = ":4"
"""The last line of an answer: what Cobra calls ShellCompDirectiveNoFileComp."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point of the plugin: runs the command and exits."""
    bullpen(arguments, command=kubectl_bullpen, program=PROGRAM)


def complete(arguments: Sequence[str] | None = None) -> None:
    """The entry point of its completion: a candidate a line with its description, then Cobra's directive (kubectl
    1.26 and later, plugin completion).
    """
    from click.shell_completion import ShellComplete

    *words, incomplete = list(sys.argv[1:] if arguments is None else arguments) or [""]
    for item in ShellComplete(kubectl_bullpen, {}, PROGRAM, "_").get_completions(words, incomplete):
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(_NO_FILES)
