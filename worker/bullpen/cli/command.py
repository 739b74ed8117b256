"""The commands there are, exit codes and error lines: 2 for usage and configuration, 1 for the rest, 130 for Ctrl-C."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from bullpen.cli.lazy import Entry, LazyGroup
from bullpen.errors import BullpenError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECTIONS: Final[Mapping[str, Sequence[Entry]]] = {
    "Your app": (
        Entry("serve", "bullpen.cli.serve", "Run its jobs."),
        Entry("check", "bullpen.cli.check", "Find what is wrong before it is served."),
        Entry("schema", "bullpen.cli.schema", "JSON Schema or TypeScript types of its jobs."),
    ),
    "Look": (
        Entry("inspect", "bullpen.cli.inspect", "Queues, the jobs of one, one job in full."),
        Entry("tail", "bullpen.cli.tail", "Follow what happens in a queue."),
        Entry("top", "bullpen.cli.top", "Queues and workers, live."),
        Entry("workers", "bullpen.cli.workers", "Who serves a queue."),
        Entry("webhooks", "bullpen.cli.webhooks", "Those that want to hear no more."),
        Entry("schedules", "bullpen.cli.schedules", "Jobs that run again and again."),
    ),
    "Jobs": (
        Entry("add", "bullpen.cli.add", "Add a job, or many."),
        Entry("retry", "bullpen.cli.jobs", "Run failed jobs again."),
        Entry("promote", "bullpen.cli.jobs", "Make delayed jobs ready now."),
        Entry("remove", "bullpen.cli.jobs", "Delete single jobs."),
    ),
    "Queues": (
        Entry("pause", "bullpen.cli.upkeep", "Start no more jobs."),
        Entry("resume", "bullpen.cli.upkeep", "End a pause."),
        Entry("drain", "bullpen.cli.upkeep", "Delete the jobs that wait."),
        Entry("clean", "bullpen.cli.upkeep", "Delete old jobs of one state."),
        Entry("obliterate", "bullpen.cli.upkeep", "Delete a queue with all its jobs."),
    ),
    "Pools": (
        Entry("pool", "bullpen_operator.cli.pool", "WorkerPools in Kubernetes (kubectl bullpen)."),
        Entry("replay", "bullpen_operator.cli.replay", "What a pool would have done."),
        Entry("advise", "bullpen_operator.cli.advise", "Settings for a pool."),
    ),
    "Your shell": (Entry("completion", "bullpen.cli.completion", "Completion of commands and queue names."),),
}


def _version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        import bullpen

        click.echo(f"bullpen, version {bullpen.__version__}")
        ctx.exit()


version_option = click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`bullpen COMMAND --help` tells the rest.",
)
@version_option
def bullpen_command() -> None:
    """Run the jobs of a Bullpen app, and look after the queues they wait in."""


def main(
    arguments: Sequence[str] | None = None, *, command: click.Command = bullpen_command, program: str = "bullpen"
) -> NoReturn:
    """The entry point: runs the command and exits. `kubectl bullpen` is another command with the same ways."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # jobs may hold what the terminal cannot show
    try:
        code = _run(command, given, program=program, debug="--debug" in given)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has enough (`| head`). What is still in the buffer must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _run(command: click.Command, given: Sequence[str], *, program: str, debug: bool) -> int:
    try:
        code = command.main(given, prog_name=program, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        return _say(_usage(error), 2, error, debug=debug)
    except click.ClickException as error:
        return _say(error.format_message(), 2, error, debug=debug)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except ConfigurationError as error:
        return _say(str(error), 2, error, debug=debug)
    except (BullpenError, TimeoutError) as error:
        return _say(str(error), 1, error, debug=debug)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort of a process: one line, and how to see more
        hint = "" if debug else "; run again with --debug for the traceback"
        return _say(f"{type(error).__name__}: {error}{hint}", 1, error, debug=debug)
    return code if isinstance(code, int) else 0


def _usage(error: click.UsageError) -> str:
    where = error.ctx.command_path if error.ctx is not None else "bullpen"
    return f"{' '.join(error.format_message().split()).rstrip('.')}; see {where} --help"


def _say(text: str, code: int, error: Exception, *, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    for line in text.splitlines() or [type(error).__name__]:
        click.echo(f"bullpen: {line}", err=True)
    return code
