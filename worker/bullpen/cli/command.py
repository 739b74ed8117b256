"""Options, exit codes and error lines: 2 for usage and configuration, 1 for the rest; tracebacks only with --debug."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

import bullpen
from bullpen.cli.loading import load_app
from bullpen.errors import BullpenError, ConfigurationError
from bullpen.runtime.delivering import deliveries, tells, told_by
from bullpen.runtime.settings import (
    DEFAULT_CONCURRENCY,
    LOG_FORMATS,
    LOG_LEVELS,
    MAX_CONCURRENCY,
    Settings,
    read_settings,
)
from bullpen.runtime.worker import Served, Worker
from bullpen.serving.logs import configure
from bullpen.serving.metrics import exposition
from bullpen.serving.probes import ProbeServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from bullpen.app import App


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(bullpen.__version__, prog_name="bullpen")
def bullpen_command() -> None:
    """Run the jobs of a Bullpen app."""


_app = click.argument("app", envvar="BULLPEN_APP", required=False, metavar="[MODULE:APP]")
_debug = click.option("--debug", is_flag=True, help="Show tracebacks and debug lines.")


@bullpen_command.command()
@_app
@click.option(
    "--concurrency", type=click.IntRange(1, MAX_CONCURRENCY), help="Jobs at once per queue (QUEUE_CONCURRENCY)."
)
@click.option("--queue", metavar="NAME", help="Serve only this queue of the app (QUEUE_NAME).")
@click.option("--log-format", type=click.Choice(LOG_FORMATS), help="Lines for people or for machines (LOG_FORMAT).")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="The least that is logged (LOG_LEVEL).")
@_debug
def serve(
    app: str | None,
    concurrency: int | None,
    queue: str | None,
    log_format: str | None,
    log_level: str | None,
    debug: bool,
) -> None:
    """Run the jobs of an app until SIGTERM or Ctrl-C.

    MODULE:APP names the app, for example app:app; without it BULLPEN_APP does. Where Redis is comes from REDIS_URL or
    REDIS_URL_FILE. The first signal finishes what fits in DRAIN_SECONDS and hands the rest back, a second one hands
    everything back at once.
    """
    # Nothing is held until the worker runs. Process 1 of a container does not even hear a signal it has no handler for.
    before = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        _run(app, concurrency, queue, log_format, log_level, debug)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(
    app: str | None,
    concurrency: int | None,
    queue: str | None,
    log_format: str | None,
    log_level: str | None,
    debug: bool,
) -> None:
    read = read_settings()
    settings = dataclasses.replace(
        read,
        app=app,
        concurrency=concurrency or read.concurrency,
        queue=queue or read.queue,
        log_format=log_format or read.log_format,
        log_level=log_level or read.log_level,
    )
    configure(form=settings.log_format, level="debug" if debug else settings.log_level)
    loaded = load_app(app)
    if loaded.telemetry is not None:
        configure(form=settings.log_format, level="debug" if debug else settings.log_level, traced=loaded.telemetry.ids)
    if loaded.redis is not None:
        settings = dataclasses.replace(settings, redis=loaded.redis)
    settings = dataclasses.replace(settings, prefix=loaded.prefix)
    asyncio.run(_serve(loaded, settings))


@bullpen_command.command()
@_app
@_debug
def check(app: str | None, debug: bool) -> None:
    """Import an app and print its queues and jobs; exit 2 if it cannot be served. Redis is not asked."""
    loaded = load_app(app)
    served_queues(loaded, None)
    for queue in loaded.queues.values():
        click.echo(f"queue {queue.name}")
        for handler in queue.handlers:
            name = handler.name if handler.name is not None else "(every other name)"
            takes = f", data: {handler.payload_type}" if handler.payload_type else ""
            click.echo(
                f"  job {name}: {handler.function.__module__}.{handler.function.__qualname__}, {handler.run}{takes}"
            )
        if not queue.handlers:
            click.echo("  no jobs: this app only adds to it")


def served_queues(app: App, only: str | None, settings: Settings | None = None) -> Sequence[Served]:
    """The queues to serve: those with jobs, or the one that was named, and the webhooks of each.

    Raises ConfigurationError when there is none.
    """
    app.check()
    private = settings is not None and settings.webhook_allow_private
    if only is not None and (told := told_by(only, app)) is not None:
        return deliveries(app, [told], allow_private=private)
    known = ", ".join(sorted(app.queues)) or "none"
    if only is not None and only not in app.queues:
        raise ConfigurationError(f"QUEUE_NAME={only}: the app has no such queue (it has {known}); correct the name")
    queues = [queue for queue in app.queues.values() if queue.handlers and only in (None, queue.name)]
    served = [
        Served(queue.name, queue.handlers, queue.rules, hooks=queue.webhooks, heard=tells(queue)) for queue in queues
    ]
    if not served:
        which = f"queue {only!r} has" if only is not None else f"the app's queues ({known}) have"
        raise ConfigurationError(f"{which} no jobs; declare one with @queue.job(name)")
    slots = DEFAULT_CONCURRENCY if settings is None else settings.webhook_concurrency
    return [*served, *deliveries(app, queues, slots=slots, allow_private=private)]


async def _serve(app: App, settings: Settings) -> None:
    worker = Worker(served_queues(app, settings.queue, settings), settings, telemetry=app.telemetry)
    health = worker.health
    probes = {"/startedz": health.start, "/livez": health.live, "/readyz": health.ready}
    server = None
    if settings.metrics_port is not None:
        server = ProbeServer(settings.metrics_port, probes=probes, metrics=exposition(worker.counts))
        server.start()

    def told(_signal: int, _frame: FrameType | None) -> None:
        worker.stop()

    # Not the loop's own signal handlers: those run only when the loop turns, and a job may block it.
    before = {each: signal.signal(each, told) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        async with app:  # jobs that add jobs have opened its connection
            await worker.run()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if server is not None:
            server.close()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: runs the command and exits."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        bullpen_command.main(given, prog_name="bullpen", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except ConfigurationError as error:
        _say(error, debug=debug)
        sys.exit(2)
    except BullpenError as error:
        _say(error, debug=debug)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the last resort of a process: one line, and how to see more
        _say(error, debug=debug, hint="run again with --debug for the traceback")
        sys.exit(1)
    sys.exit(0)


def _say(error: Exception, *, debug: bool, hint: str | None = None) -> None:
    if debug:
        traceback.print_exception(error)
    text = str(error) if isinstance(error, BullpenError) else f"{type(error).__name__}: {error}"
    for line in text.splitlines() or [type(error).__name__]:
        click.echo(f"bullpen: {line}" + (f"; {hint}" if hint and not debug else ""), err=True)
